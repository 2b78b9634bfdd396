/* Calls the library of sliding_window.attn:
 *   attnc examples/sliding_window.attn -o libsw.so
 *   cc examples/call.c -I. -Iruntime/include -L. -lsw -lattn_runtime */
#include "sw.h"
#include <stdint.h>
#include <stdio.h>

static uint16_t ones[4 * 5 * 128], halves[5 * 128], out[4 * 5 * 128];

int main(void) {
  for (int i = 0; i < 4 * 5 * 128; ++i)
    ones[i] = 0x3f80; /* 1.0 in bf16 */
  for (int i = 0; i < 5 * 128; ++i)
    halves[i] = 0x3f00;                               /* 0.5 */
  int64_t q[] = {1, 4, 5, 128}, k[] = {1, 1, 5, 128}; /* b, heads, keys, d */
  DLTensor Q = attn_tensor(ones, ATTN_DTYPE_BFLOAT, 16, 4, q);
  DLTensor K = attn_tensor(ones, ATTN_DTYPE_BFLOAT, 16, 4, k);
  DLTensor V = attn_tensor(halves, ATTN_DTYPE_BFLOAT, 16, 4, k);
  DLTensor O = attn_tensor(out, ATTN_DTYPE_BFLOAT, 16, 4, q);
  int status = local_softcap(NULL, &Q, &K, &V, &O);
  printf("local_softcap: %d, O[0,0,0,0] = %s\n", status,
         out[0] == 0x3f00 ? "0.5" : "wrong");
  return status;
}
