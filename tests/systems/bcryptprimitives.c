/* Rust's standard library takes random numbers from bcryptprimitives.dll, which Wine 8.0
   does not have. This stands in for it, beside the program. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(void *data, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *data, SIZE_T size) {
  return SystemFunction036(data, (ULONG)size);
}
