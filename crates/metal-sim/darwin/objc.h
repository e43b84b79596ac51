// Objective-C of the size that a client of Metal needs: classes that are written here
// as tables of methods, messages to them, reference counts. No class of a library is
// taken in, and nothing is looked up that is not in a table.
#pragma once
#include <stddef.h>

#include "host.h"

typedef struct object* id;
typedef const char* SEL;

struct method {
  SEL name;
  const void* code;
};

// Clients know a class by its address alone.
struct class {
  const struct class* isa;  // who answers its own messages: its metaclass
  const char* name;
  const struct method* methods;  // the last has no name
  size_t size;                   // of an object; 0: not made by `alloc`
  void (*destroy)(id object);
  int lasting;  // retain and release do nothing: constants, classes
};

struct object {
  const struct class* isa;
  union {
    long count;
    const struct class* was;  // what a released object was
  };
};

#define METHOD(name, function) {name, (const void*)(function)}
// A class `symbol` and its metaclass. `more` are further fields.
#define CLASS(symbol, text, of_class, of_objects, more...)                     \
  static const struct class symbol##_meta = {.name = text, .methods = of_class, .lasting = 1}; \
  const struct class symbol = {.isa = &symbol##_meta, .name = text, .methods = of_objects, more}

// Every class (objc.c has the list, by which it knows what is no object). Some have the
// names that compilers write into their clients.
#define CALLED(name) __asm__(name)
extern const struct class ns_string CALLED("_OBJC_CLASS_$_NSString");
extern const struct class ns_constant_string CALLED("___CFConstantStringClassReference");
extern const struct class ns_error, ns_array, dispatch_queue, dispatch_data;
extern const struct class stack_block CALLED("__NSConcreteStackBlock");
extern const struct class global_block CALLED("__NSConcreteGlobalBlock");
extern const struct class malloc_block CALLED("__NSConcreteMallocBlock");
extern const struct class mtl_compile_options CALLED("_OBJC_CLASS_$_MTLCompileOptions");
extern const struct class mtl_device, mtl_queue, mtl_command_buffer, mtl_compute_encoder;
extern const struct class mtl_blit_encoder, mtl_buffer, mtl_library, mtl_function, mtl_pipeline;

// Memory of a new object, with one reference.
id new_object(const struct class* class, size_t size);
id objc_retain(id object);
void objc_release(id object);
id objc_autorelease(id object);
// Whether an address is an object of the class that is alive.
int is_object(const void* address, const struct class* class);
// Ends the run: names the method and says what is wrong, as in printf.
_Noreturn void refuse_message(const char* rule, const char* method, const char* format, ...);

// Functions with what they captured, as the compiler lays them out.
struct block {
  const struct class* isa;
  int flags, reserved;
  void* invoke;
  struct {
    unsigned long reserved, size;
    void (*copy)(void* to, const void* from);  // there if flags say so
    void (*dispose)(const void* block);
  }* descriptor;
};
void* _Block_copy(const void* block);
void _Block_release(const void* block);

// foundation.c
id new_string(const char* text);
id string_from(const char* text);  // autoreleased
const char* text_of(id string);
id error_with(const char* domain, long code, const char* text);  // autoreleased
id new_array(const id* items, size_t count);
