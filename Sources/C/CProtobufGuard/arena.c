#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 16384

struct ProtobufArenaBlock {
  ProtobufArenaBlock *next;
  size_t size;  // keeps what follows aligned to 16
};

static void *arena_allocate(void *arena, size_t size) { return protobuf_arena_allocate(arena, size); }

static void arena_free(void *arena, void *memory) {
  (void)arena;
  (void)memory;
}

void protobuf_arena_init(ProtobufArena *arena, void *first, size_t first_size, size_t limit) {
  memset(arena, 0, sizeof *arena);
  arena->allocator.alloc = arena_allocate;
  arena->allocator.free = arena_free;
  arena->allocator.allocator_data = arena;
  arena->base = first;
  arena->capacity = first_size & ~(size_t)15;
  arena->left = limit;
}

void *protobuf_arena_grow(ProtobufArena *arena, size_t rounded) {
  size_t size = arena->blocks != NULL ? arena->blocks->size : BLOCK_SIZE / 2;
  if (size < SIZE_MAX / 4) size *= 2;
  if (size > arena->left) size = arena->left & ~(size_t)15;
  if (size < rounded) size = rounded;
  if (size > SIZE_MAX - sizeof(ProtobufArenaBlock)) return NULL;
  ProtobufArenaBlock *block = malloc(sizeof *block + size);
  if (block == NULL) return NULL;
  block->next = arena->blocks;
  block->size = size;
  arena->blocks = block;
  arena->base = (uint8_t *)(block + 1);
  arena->capacity = size;
  arena->used = rounded;
  arena->left -= rounded;
  return arena->base;
}

void protobuf_arena_end(ProtobufArena *arena) {
  ProtobufArenaBlock *block = arena->blocks;
  while (block != NULL) {
    ProtobufArenaBlock *next = block->next;
    free(block);
    block = next;
  }
  arena->blocks = NULL;
  arena->base = NULL;
  arena->capacity = 0;
  arena->used = 0;
  arena->left = 0;
}
