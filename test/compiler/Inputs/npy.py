"""Small arrays for the tests of the command line: npy.py FILE EXPRESSION saves
what the NumPy expression gives; without an expression it prints the file."""

import sys

import numpy as np

if len(sys.argv) > 2:
    np.save(sys.argv[1], eval(sys.argv[2], {"np": np}))
else:
    array = np.load(sys.argv[1])
    print(array.dtype, array.shape, array.ravel().tolist())
