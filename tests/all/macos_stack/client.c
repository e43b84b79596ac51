// A client of the flat device API, as an engine of another language declares it: what
// it writes to the CPU through the runtime comes back. 42 if all is well, else the step
// that is not.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct { int32_t type, index; } Device;
typedef struct { uint8_t code, bits; uint16_t lanes; } DataType;
typedef struct {
  void* data;
  Device device;
  int32_t dimensions;
  DataType type;
  int64_t *shape, *strides;
  uint64_t offset;
} Tensor;

void* TVMDeviceAPIGet(Device device, int allow_missing);
void* TVMDeviceAPIAllocDataSpace(void* api, Device device, size_t bytes, size_t alignment, DataType type);
void TVMDeviceAPIFreeDataSpace(void* api, Device device, void* data);
void TVMDeviceAPICopyDataFromTo(void* api, const Tensor* from, Tensor* to, void* stream);
size_t TVMDeviceAPIGetDataSize(void* api, const Tensor* tensor, const char* scope);

int client(void) {
  Device cpu = {1, 0}, metal = {8, 0};
  if (TVMDeviceAPIGet(metal, 1)) return 1;
  void* api = TVMDeviceAPIGet(cpu, 0);
  if (!api) return 2;
  DataType float32 = {2, 32, 1};
  int64_t length = 1000;
  float numbers[1000];
  for (int i = 0; i < length; ++i) numbers[i] = i * 0.5f;
  Tensor from = {numbers, cpu, 1, float32, &length, NULL, 0}, to = from;
  if (TVMDeviceAPIGetDataSize(api, &from, NULL) != sizeof numbers) return 3;
  to.data = TVMDeviceAPIAllocDataSpace(api, cpu, sizeof numbers, 64, float32);
  if (!to.data || (uintptr_t)to.data % 64) return 4;
  TVMDeviceAPICopyDataFromTo(api, &from, &to, NULL);
  if (memcmp(numbers, to.data, sizeof numbers)) return 5;
  TVMDeviceAPIFreeDataSpace(api, cpu, to.data);
  return 42;
}
