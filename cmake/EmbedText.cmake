# cmake -DINPUT=file -DOUTPUT=file -P EmbedText.cmake
# Writes a text file as one C++ raw string literal.
file(READ "${INPUT}" text)
file(WRITE "${OUTPUT}" "R\"attn(${text})attn\"\n")
