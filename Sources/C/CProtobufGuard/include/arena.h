// A capped bump arena, usable as a ProtobufCAllocator. Memory is handed out in multiples of 16 bytes, aligned to 16, and
// freed as a whole.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ProtobufArenaBlock ProtobufArenaBlock;

typedef struct {
  ProtobufCAllocator allocator;  // hands out this arena's memory; its free does nothing
  uint8_t *base;
  size_t capacity;  // of the block at base
  size_t used;      // of the block at base
  size_t left;      // bytes that may still be handed out in all
  ProtobufArenaBlock *blocks;
} ProtobufArena;

// Starts with the caller's `first` (aligned to 16; may be NULL with `first_size` 0), and takes further blocks from malloc up to `limit`
// bytes handed out in all. The arena must not be moved once it is in use: its allocator points at it.
void protobuf_arena_init(ProtobufArena *arena, void *first, size_t first_size, size_t limit);

// Frees every block the arena took. The caller's first block stays the caller's.
void protobuf_arena_end(ProtobufArena *arena);

// Of a new block; NULL over the limit or out of memory.
void *protobuf_arena_grow(ProtobufArena *arena, size_t rounded);

// At least `size` bytes, uninitialised; NULL over the limit or out of memory. Never NULL for 0.
static inline void *protobuf_arena_allocate(ProtobufArena *arena, size_t size) {
  if (size > SIZE_MAX - 15) return NULL;
  size_t rounded = size == 0 ? 16 : (size + 15) & ~(size_t)15;
  if (rounded > arena->left) return NULL;
  if (rounded > arena->capacity - arena->used) return protobuf_arena_grow(arena, rounded);
  void *memory = arena->base + arena->used;
  arena->used += rounded;
  arena->left -= rounded;
  return memory;
}
