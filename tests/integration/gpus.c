/* Two GPUs where none is: the part of CUDA's runtime by which memory is given, copied and waited for.
 *
 * Loaded before the runtime itself (LD_PRELOAD), it lets a torch that was built for CUDA use two devices. Each is as
 * unkind as the interface allows:
 *   - its memory is not the host's: who reads it from the host is ended by SIGSEGV;
 *   - what is asynchronous is done when somebody waits for it, and not a moment before;
 *   - memory that was just given, or was given back, is full of nonsense;
 *   - no more than GPUS_PINNED bytes of the host's memory can be pinned, where that is set.
 * GPUS is how many there are, 2 unless it is set. Kernels are not imitated: who launches one is ended by SIGABRT.
 * gpus_count(name) tells how many bytes were copied, by where they came to.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cuda_runtime_api.h>

#define MOST 2
#define ROOM (16ull << 30) /* of addresses on each; it takes memory only where something was written */

typedef struct Event Event;
typedef struct Work Work;
typedef struct Stream Stream;
typedef struct Block Block;

struct Work {
    Work *next;
    enum { COPY, FILL, RECORD, WAIT } what;
    void *to;
    const void *from;
    size_t size;
    int byte;
    Event *event;
    uint64_t number;
};

struct Stream {
    Stream *next;
    int device;
    Work *first, **last;
    int looks;
};

struct Event {
    uint64_t asked, done; /* how often it was recorded, and how many of these were reached */
    Stream *on;
};

struct Block {
    Block *next;
    char *start;
    size_t size;
};

static struct {
    char *seen; /* where the program sees its memory, and can not read it */
    char *real;
    char *free;
    Stream stream;
} devices[MOST];

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static Stream *streams;
static Block *on_devices, *pinned;
static size_t pinned_bytes, to_pinned, to_pageable, to_device;
static __thread int current;

static void make_devices(void)
{
    for (int i = 0; i < MOST; i++) {
        int file = memfd_create("device", MFD_CLOEXEC);
        if (file < 0 || ftruncate(file, ROOM)) abort();
        devices[i].seen = mmap(NULL, ROOM, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0);
        devices[i].real = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
        if (devices[i].seen == MAP_FAILED || devices[i].real == MAP_FAILED) abort();
        devices[i].free = devices[i].seen;
        devices[i].stream = (Stream){.next = streams, .device = i, .last = &devices[i].stream.first};
        streams = &devices[i].stream;
        close(file);
    }
}

static void enter(void)
{
    pthread_once(&once, make_devices);
    pthread_mutex_lock(&lock);
}

static cudaError_t leave(cudaError_t answer)
{
    pthread_mutex_unlock(&lock);
    return answer;
}

static int device_of(const void *p)
{
    for (int i = 0; i < MOST; i++)
        if ((char *)p >= devices[i].seen && (char *)p < devices[i].seen + ROOM) return i;
    return -1;
}

static void *real(const void *p)
{
    int i = device_of(p);
    return i < 0 ? (void *)p : devices[i].real + ((char *)p - devices[i].seen);
}

static Block *block_of(Block *blocks, const void *p)
{
    while (blocks && ((char *)p < blocks->start || (char *)p >= blocks->start + blocks->size)) blocks = blocks->next;
    return blocks;
}

static Block *block(Block *next, char *start, size_t size)
{
    Block *made = malloc(sizeof *made);
    *made = (Block){next, start, size};
    return made;
}

static int is_pageable(const void *p) { return device_of(p) < 0 && !block_of(pinned, p); }

/* -- streams: what is asked of them is written down, and done when somebody waits */

static Stream *stream_of(cudaStream_t on)
{
    return (uintptr_t)on <= (uintptr_t)cudaStreamPerThread ? &devices[current].stream : (Stream *)on;
}

static void add(Stream *stream, Work work)
{
    Work *made = malloc(sizeof *made);
    *made = work;
    made->next = NULL;
    *stream->last = made;
    stream->last = &made->next;
}

static void step(Stream *stream);

static void reach(Event *event, uint64_t number)
{
    while (event->done < number) step(event->on);
}

static void step(Stream *stream)
{
    Work *work = stream->first;
    if (work->what == WAIT) reach(work->event, work->number);
    if (work->what == COPY) memmove(real(work->to), real(work->from), work->size);
    if (work->what == FILL) memset(real(work->to), work->byte, work->size);
    if (work->what == RECORD) work->event->done = work->number;
    if (!(stream->first = work->next)) stream->last = &stream->first;
    free(work);
}

/* Who only looks whether it is done does not wait for it; who looks again and again does. */
static void look(Stream *stream)
{
    if (stream->first && ++stream->looks % 100 == 0) step(stream);
}

static void finish(Stream *stream)
{
    while (stream->first) step(stream);
}

static void finish_device(int device)
{
    finish(&devices[device].stream); /* the others owe it nothing: what they were asked before may come behind it */
    for (Stream *stream = streams; stream; stream = stream->next)
        if (stream->device == device) finish(stream);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind kind, cudaStream_t on)
{
    enter();
    if (device_of(to) >= 0) to_device += size;
    else if (device_of(from) >= 0) *(block_of(pinned, to) ? &to_pinned : &to_pageable) += size;
    add(stream_of(on), (Work){.what = COPY, .to = to, .from = from, .size = size});
    if (is_pageable(to) || is_pageable(from)) finish(stream_of(on)); /* as the real one: it can not do these alone */
    return leave(cudaSuccess);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind)
{
    cudaMemcpyAsync(to, from, size, kind, NULL);
    return cudaStreamSynchronize(NULL);
}

cudaError_t cudaMemcpyPeerAsync(void *to, int device, const void *from, int source, size_t size, cudaStream_t on)
{
    return cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, on);
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t size, cudaStream_t on)
{
    enter();
    add(stream_of(on), (Work){.what = FILL, .to = to, .byte = byte, .size = size});
    return leave(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t on)
{
    enter();
    finish(stream_of(on));
    return leave(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize(void)
{
    enter();
    finish_device(current);
    return leave(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t on)
{
    enter();
    look(stream_of(on));
    return leave(stream_of(on)->first ? cudaErrorNotReady : cudaSuccess);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *made, unsigned flags, int priority)
{
    enter();
    Stream *stream = malloc(sizeof *stream);
    *stream = (Stream){.next = streams, .device = current, .last = &stream->first};
    streams = stream;
    *made = (cudaStream_t)stream;
    return leave(cudaSuccess);
}

cudaError_t cudaStreamGetPriority(cudaStream_t on, int *priority)
{
    *priority = 0;
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t on, enum cudaStreamCaptureStatus *status)
{
    *status = cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t on, enum cudaStreamCaptureStatus *status, unsigned long long *id,
                                     cudaGraph_t *graph, const cudaGraphNode_t **nodes,
                                     const cudaGraphEdgeData **edges, size_t *number)
{
    return cudaStreamIsCapturing(on, status);
}

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) { return cudaSuccess; }

/* -- events */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *made, unsigned flags)
{
    *made = calloc(1, sizeof(Event));
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) { return cudaSuccess; /* a stream may still have to reach it */ }

cudaError_t cudaEventRecord(cudaEvent_t given, cudaStream_t on)
{
    enter();
    Event *event = (Event *)given;
    event->on = stream_of(on);
    add(event->on, (Work){.what = RECORD, .event = event, .number = ++event->asked});
    return leave(cudaSuccess);
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t on, unsigned flags)
{
    return cudaEventRecord(event, on);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    enter();
    reach((Event *)event, ((Event *)event)->asked);
    return leave(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t given)
{
    enter();
    Event *event = (Event *)given;
    if (event->done < event->asked) look(event->on);
    return leave(event->done < event->asked ? cudaErrorNotReady : cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t on, cudaEvent_t given, unsigned flags)
{
    enter();
    Event *event = (Event *)given;
    add(stream_of(on), (Work){.what = WAIT, .event = event, .number = event->asked});
    return leave(cudaSuccess);
}

/* -- memory */

cudaError_t cudaMalloc(void **made, size_t size)
{
    enter();
    char *start = devices[current].free;
    size = (size + 511) & ~511ull;
    if (start + size > devices[current].seen + ROOM) return leave(cudaErrorMemoryAllocation);
    devices[current].free += size;
    on_devices = block(on_devices, start, size);
    memset(real(start), 0xCD, size);
    *made = start;
    return leave(cudaSuccess);
}

cudaError_t cudaFree(void *p)
{
    enter();
    Block *freed = p ? block_of(on_devices, p) : NULL;
    if (freed) {
        finish_device(device_of(p));
        memset(real(p), 0xDD, freed->size);
    }
    return leave(cudaSuccess);
}

cudaError_t cudaHostAlloc(void **made, size_t size, unsigned flags)
{
    enter();
    const char *most = getenv("GPUS_PINNED");
    if (most && pinned_bytes + size > strtoull(most, NULL, 10)) return leave(cudaErrorMemoryAllocation);
    *made = memset(aligned_alloc(4096, (size + 4095) & ~4095ull), 0xCE, size);
    pinned = block(pinned, *made, size);
    pinned_bytes += size;
    return leave(cudaSuccess);
}

cudaError_t cudaFreeHost(void *p)
{
    enter();
    for (int i = 0; i < MOST; i++) finish_device(i);
    Block **at = &pinned;
    while ((*at)->start != p) at = &(*at)->next;
    pinned_bytes -= (*at)->size;
    memset(p, 0xDE, (*at)->size);
    *at = (*at)->next;
    return leave(cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *told, const void *p)
{
    enter();
    int device = device_of(p);
    memset(told, 0, sizeof *told);
    told->type = device >= 0 ? cudaMemoryTypeDevice : is_pageable(p) ? cudaMemoryTypeUnregistered : cudaMemoryTypeHost;
    told->device = device < 0 ? 0 : device;
    *(device < 0 ? &told->hostPointer : &told->devicePointer) = (void *)p;
    return leave(cudaSuccess);
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *all)
{
    *left = *all = ROOM;
    return cudaSuccess;
}

/* -- devices */

cudaError_t cudaGetDeviceCount(int *number)
{
    const char *asked = getenv("GPUS");
    *number = asked ? atoi(asked) : MOST;
    return *number ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = current;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    current = device;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *told, int device)
{
    memset(told, 0, sizeof *told);
    snprintf(told->name, sizeof told->name, "Imitated");
    told->totalGlobalMem = ROOM;
    told->major = 9;
    told->warpSize = 32;
    told->maxThreadsPerBlock = 1024;
    told->maxThreadsPerMultiProcessor = 2048;
    told->multiProcessorCount = 16;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    *value = attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *most)
{
    *least = *most = 0;
    return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer)
{
    *can = 1;
    return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) { return cudaSuccess; }

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

/* The runtime behind this one has met no driver, and would say so. */
cudaError_t cudaGetLastError(void) { return cudaSuccess; }
cudaError_t cudaPeekAtLastError(void) { return cudaSuccess; }

static cudaError_t no_kernel(void)
{
    fprintf(stderr, "a kernel was launched, and none are imitated\n");
    abort();
}

cudaError_t cudaLaunchKernel(const void *f, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t on)
{
    return no_kernel();
}

cudaError_t __cudaLaunchKernel(cudaKernel_t f, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t on)
{
    return no_kernel();
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *how, const void *f, void **args) { return no_kernel(); }

/* -- what torch asks of the driver itself */

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active)
{
    *flags = 0;
    *active = 1;
    return 0;
}

size_t gpus_count(const char *of)
{
    return !strcmp(of, "to_pinned") ? to_pinned : !strcmp(of, "to_pageable") ? to_pageable
         : !strcmp(of, "to_device") ? to_device : pinned_bytes;
}
