// Locks of emulated threads. These run one at a time and change places in
// `host_yield` only, so plain loads and stores are enough.
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "host.h"

// The first words of the opaque types, after their signature.
struct lock {
  long signature;
  uintptr_t* owner;
  long depth;
};
#define LOCK(of) ((struct lock*)(of))
#define RECURSIVE 0x32AAABA2
#define KIND_OF_ATTRIBUTE(a) (((const int*)(a))[3])

int pthread_mutex_init(pthread_mutex_t* m, const pthread_mutexattr_t* a) {
  memset(m, 0, sizeof *m);
  int recursive = a && KIND_OF_ATTRIBUTE(a) == PTHREAD_MUTEX_RECURSIVE;
  m->__sig = recursive ? RECURSIVE : _PTHREAD_MUTEX_SIG_init;
  return 0;
}
int pthread_mutex_destroy(pthread_mutex_t* m) { return 0; }
int pthread_mutex_trylock(pthread_mutex_t* m) {
  uintptr_t* self = host_thread();
  struct lock* lock = LOCK(m);
  if (lock->depth && (lock->owner != self || lock->signature != RECURSIVE)) return EBUSY;
  lock->owner = self;
  ++lock->depth;
  return 0;
}
int pthread_mutex_lock(pthread_mutex_t* m) {
  while (pthread_mutex_trylock(m)) {
    if (LOCK(m)->owner == host_thread()) host_refuse("a mutex that its own thread holds");
    host_yield();
  }
  return 0;
}
int pthread_mutex_unlock(pthread_mutex_t* m) {
  if (LOCK(m)->depth) --LOCK(m)->depth;
  return 0;
}
int pthread_mutexattr_init(pthread_mutexattr_t* a) {
  memset(a, 0, sizeof *a);
  return 0;
}
int pthread_mutexattr_settype(pthread_mutexattr_t* a, int kind) {
  ((int*)a)[3] = kind;
  return 0;
}
int pthread_mutexattr_destroy(pthread_mutexattr_t* a) { return 0; }

// Waking without cause is allowed: who waits looks again after each turn.
int pthread_cond_init(pthread_cond_t* c, const pthread_condattr_t* a) {
  memset(c, 0, sizeof *c);
  c->__sig = _PTHREAD_COND_SIG_init;
  return 0;
}
int pthread_cond_destroy(pthread_cond_t* c) { return 0; }
int pthread_cond_signal(pthread_cond_t* c) { return 0; }
int pthread_cond_broadcast(pthread_cond_t* c) { return 0; }
int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) {
  pthread_mutex_unlock(m);
  host_yield();
  return pthread_mutex_lock(m);
}
int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, const struct timespec* until) {
  int64_t now[2];
  pthread_cond_wait(c, m);
  host_clock(0, now);
  int late = now[0] > until->tv_sec || (now[0] == until->tv_sec && now[1] >= until->tv_nsec);
  return late ? ETIMEDOUT : 0;
}

// depth: readers, or -1 for one writer.
int pthread_rwlock_init(pthread_rwlock_t* l, const pthread_rwlockattr_t* a) {
  memset(l, 0, sizeof *l);
  return 0;
}
int pthread_rwlock_destroy(pthread_rwlock_t* l) { return 0; }
int pthread_rwlock_rdlock(pthread_rwlock_t* l) {
  while (LOCK(l)->depth < 0) host_yield();
  ++LOCK(l)->depth;
  return 0;
}
int pthread_rwlock_wrlock(pthread_rwlock_t* l) {
  while (LOCK(l)->depth) host_yield();
  LOCK(l)->depth = -1;
  return 0;
}
int pthread_rwlock_unlock(pthread_rwlock_t* l) {
  LOCK(l)->depth = LOCK(l)->depth < 0 ? 0 : LOCK(l)->depth - 1;
  return 0;
}

// A guard's own lock, eight bytes.
void os_unfair_lock_lock(int* lock) {
  while (*lock) host_yield();
  *lock = 1;
}
void os_unfair_lock_unlock(int* lock) { *lock = 0; }

// What libc++ waits on an atomic with.
int __ulock_wait(uint32_t operation, void* at, uint64_t value, uint32_t timeout) {
  host_yield();
  return 0;
}
int __ulock_wake(uint32_t operation, void* at, uint64_t value) { return 0; }

int pthread_once(pthread_once_t* once, void (*work)(void)) {
  long* state = (long*)once;
  while (state[1] == 1) host_yield();
  if (state[1] == 0) {
    state[1] = 1;
    work();
    state[1] = 2;
  }
  return 0;
}

// Thread-specific values: words of the thread's own memory. Their destructors
// do not run.
static unsigned long keys = 1;
int pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) {
  if (keys >= HOST_THREAD_WORDS) return EAGAIN;
  *key = keys++;
  return 0;
}
int pthread_key_delete(pthread_key_t key) { return 0; }
void* pthread_getspecific(pthread_key_t key) {
  return key < HOST_THREAD_WORDS ? (void*)host_thread()[key] : NULL;
}
int pthread_setspecific(pthread_key_t key, const void* value) {
  if (key >= HOST_THREAD_WORDS) return EINVAL;
  host_thread()[key] = (uintptr_t)value;
  return 0;
}
pthread_t pthread_self(void) { return (pthread_t)host_thread(); }
int pthread_equal(pthread_t a, pthread_t b) { return a == b; }
int pthread_main_np(void) { return 1; }
unsigned int pthread_mach_thread_np(pthread_t t) { return (unsigned int)(uintptr_t)t; }
int pthread_threadid_np(pthread_t t, uint64_t* out) {
  *out = (uintptr_t)(t ? t : pthread_self());
  return 0;
}
int pthread_setname_np(const char* name) { return 0; }
