"""lit configuration: .mlir and .attn files whose RUN lines call attnc,
attn-opt, FileCheck and not. `%examples` is the examples folder, `%cc` and
`%runtime` build C programs against the runtime."""

import importlib.util
import os
import shutil

import lit.formats

config.name = "attn"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".attn", ".test"]
config.excludes = ["Inputs", "programs", "zoo", "unit", "perf"]
config.test_source_root = os.path.dirname(__file__)

config.environment["PATH"] = os.pathsep.join(
    [config.attn_tools_dir, config.llvm_tools_dir, config.environment["PATH"]]
)
config.environment["LD_LIBRARY_PATH"] = config.attn_lib_dir

runtime = (
    f"-I{config.source_dir}/runtime/include -I{config.dlpack} "
    f"-L{config.attn_lib_dir} -lattn_runtime -Wl,-rpath,{config.attn_lib_dir}"
)
config.substitutions += [
    ("%examples", os.path.join(config.source_dir, "examples")),
    ("%runtime", runtime),
    ("%cxx", config.cxx),
    ("%cc", config.cc),
    ("%python", config.python),
    ("%scripts", os.path.join(config.source_dir, "scripts")),
    ("%build", os.path.dirname(config.attn_tools_dir)),
]
for feature, tool in (
    ("chromium", "chromium"),
    ("aarch64-linux-gnu", "aarch64-linux-gnu-g++"),
    ("qemu-aarch64", "qemu-aarch64"),
    ("gpu", "nvidia-smi"),
):
    if shutil.which(tool):
        config.available_features.add(feature)
if importlib.util.find_spec("torch"):
    config.available_features.add("torch")
if os.geteuid() == 0:
    config.available_features.add("root")
