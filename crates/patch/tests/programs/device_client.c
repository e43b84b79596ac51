/* A C client of the 19 TVMDeviceAPI* functions: moves data through a device.
 *
 * usage: device_client DEVICE_TYPE [LIBRARY...]
 *
 * The libraries (libtvm_runtime_cuda.so, say) are loaded first. Prints one line
 * per step; ends with "round trip equal" and status 0, or says what went wrong. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int32_t type, id; } Device;
typedef struct { uint8_t code, bits; uint16_t lanes; } DataType;
typedef struct {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
} Tensor;
typedef struct { int32_t type; uint32_t small; int64_t value; } Any;

void* TVMDeviceAPIGet(Device, int);
void TVMDeviceAPIDestroy(void*);
void TVMDeviceAPISetDevice(void*, Device);
void TVMDeviceAPIGetAttr(void*, Device, int, Any*);
size_t TVMDeviceAPIGetDataSize(void*, const Tensor*, const char*);
void TVMDeviceAPIGetTargetProperty(void*, Device, const char*, Any*);
void* TVMDeviceAPIAllocDataSpace(void*, Device, size_t, size_t, DataType);
void* TVMDeviceAPIAllocDataSpaceND(void*, Device, int, const int64_t*, DataType, const char*);
void TVMDeviceAPIFreeDataSpace(void*, Device, void*);
void TVMDeviceAPICopyDataFromTo(void*, const Tensor*, Tensor*, void*);
void* TVMDeviceAPICreateStream(void*, Device);
void TVMDeviceAPIFreeStream(void*, Device, void*);
void TVMDeviceAPIStreamSync(void*, Device, void*);
void TVMDeviceAPISetStream(void*, Device, void*);
void* TVMDeviceAPIGetCurrentStream(void*, Device);
void TVMDeviceAPISyncStreamFromTo(void*, Device, void*, void*);
void* TVMDeviceAPIAllocWorkspace(void*, Device, size_t, DataType);
void TVMDeviceAPIFreeWorkspace(void*, Device, void*);
int TVMDeviceAPISupportsDevicePointerArithmeticsOnHost(void*);
void TVMFFIErrorMoveFromRaised(void**);
int TVMFFIObjectDecRef(void*);

enum { COUNT = 1000 };

static int failed(const char* step) {
  printf("failed: %s\n", step);
  return 1;
}

/* Whether the last call failed; clears the error. */
static int raised(void) {
  void* error = NULL;
  TVMFFIErrorMoveFromRaised(&error);
  if (error != NULL) TVMFFIObjectDecRef(error);
  return error != NULL;
}

int main(int argc, char** argv) {
  if (argc < 2) return failed("usage: device_client DEVICE_TYPE [LIBRARY...]");
  for (int i = 2; i < argc; ++i) {
    if (dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL) == NULL) return failed(dlerror());
  }
  Device device = {atoi(argv[1]), 0}, host = {1, 0};
  DataType float32 = {2, 32, 1};
  int64_t shape[2] = {10, COUNT / 10};
  float sent[COUNT], received[COUNT];
  for (int i = 0; i < COUNT; ++i) {
    sent[i] = 0.5f * (float)i - 3.0f;
    received[i] = 0;
  }

  void* api = TVMDeviceAPIGet(device, 0);
  if (api == NULL) return failed("Get");
  TVMDeviceAPISetDevice(api, device);
  Any exists = {0, 0, 0};
  TVMDeviceAPIGetAttr(api, device, 0, &exists);
  if (exists.value != 1) return failed("GetAttr(exist)");
  Any property = {0, 0, 0};
  TVMDeviceAPIGetTargetProperty(api, device, "max_num_threads", &property);
  printf("pointer arithmetic on host: %d\n",
         TVMDeviceAPISupportsDevicePointerArithmeticsOnHost(api));

  Tensor from = {sent, host, 2, float32, shape, NULL, 0};
  Tensor back = {received, host, 2, float32, shape, NULL, 0};
  size_t bytes = TVMDeviceAPIGetDataSize(api, &from, NULL);
  if (bytes != sizeof(sent)) return failed("GetDataSize");
  Tensor first = from, second = from;
  first.device = second.device = device;
  first.data = TVMDeviceAPIAllocDataSpace(api, device, bytes, 64, float32);
  second.data = TVMDeviceAPIAllocDataSpaceND(api, device, 2, shape, float32, NULL);
  if (first.data == NULL || second.data == NULL || first.data == second.data) {
    return failed("AllocDataSpace");
  }

  void* stream = TVMDeviceAPICreateStream(api, device);
  void* usual = TVMDeviceAPIGetCurrentStream(api, device);
  TVMDeviceAPISetStream(api, device, stream);
  if (TVMDeviceAPIGetCurrentStream(api, device) != stream) return failed("SetStream");
  TVMDeviceAPICopyDataFromTo(api, &from, &first, stream);
  TVMDeviceAPICopyDataFromTo(api, &first, &second, stream);
  TVMDeviceAPISyncStreamFromTo(api, device, stream, usual);
  TVMDeviceAPICopyDataFromTo(api, &second, &back, stream);
  TVMDeviceAPIStreamSync(api, device, stream);
  TVMDeviceAPISetStream(api, device, usual);
  TVMDeviceAPIFreeStream(api, device, stream);

  void* workspace = TVMDeviceAPIAllocWorkspace(api, device, 4096, float32);
  if (workspace == NULL) return failed("AllocWorkspace");
  TVMDeviceAPIFreeWorkspace(api, device, workspace);
  TVMDeviceAPIFreeDataSpace(api, device, first.data);
  TVMDeviceAPIFreeDataSpace(api, device, second.data);
  if (raised()) return failed("an error was raised on the way");
  if (memcmp(sent, received, sizeof(sent)) != 0) return failed("the data came back changed");

  /* What a failure looks like from C; no stock wheel has a Vulkan device. */
  Device nowhere = {7, 0};
  if (TVMDeviceAPIGet(nowhere, 0) != NULL || !raised()) return failed("no error for no device");
  if (TVMDeviceAPIGet(nowhere, 1) != NULL || raised()) return failed("an error for a missing one");
  if (TVMDeviceAPIGetDataSize(NULL, &from, NULL) != 0 || !raised()) return failed("null handle");
  TVMDeviceAPIDestroy(api);
  printf("round trip equal\n");
  return 0;
}
