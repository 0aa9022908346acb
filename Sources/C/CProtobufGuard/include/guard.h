// A check of bytes from the wire before protobuf_c_message_unpack() sees them. That function recurses without a bound (29 KB
// of nesting overflow a stack of 8 MB), takes any bytes for a string, rejects some legal encodings without saying why and loses
// data of others, and asks for up to 108 times the memory it was given. What passes here does none of that.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The highest number of fields of a message that may occur only once.
#define PROTOBUF_GUARD_ONCE_MAX 128

typedef struct ProtobufGuardMessage ProtobufGuardMessage;

// What protobuf-c's descriptor of a field does not say.
typedef struct {
  const ProtobufGuardMessage *message;  // the table of a field's message, else NULL
  uint8_t once;                         // 1 … PROTOBUF_GUARD_ONCE_MAX: may occur once, and this is its number; 0: any number of times
  bool text;                            // UTF-8 (the generated C holds strings as bytes: the descriptor cannot tell)
} ProtobufGuardField;

// One per message, generated; constant.
struct ProtobufGuardMessage {
  const ProtobufCMessageDescriptor *descriptor;
  const ProtobufGuardField *fields;  // in the order of descriptor->fields
  uint32_t repeated_fields;          // how many of them are repeated
};

typedef enum {
  PROTOBUF_GUARD_FINE = 0,
  PROTOBUF_GUARD_MALFORMED = 1,          // truncated, a varint too long, a field number out of range
  PROTOBUF_GUARD_TOO_DEEP = 2,           // more messages in messages than allowed
  PROTOBUF_GUARD_INVALID_UTF8 = 3,       // in a string
  PROTOBUF_GUARD_OVER_BUDGET = 4,        // unpacking it would take more memory than allowed
  PROTOBUF_GUARD_FOREIGN_WIRE_TYPE = 5,  // a known field with another field's wire type
  PROTOBUF_GUARD_GROUP = 6,              // wire types 3 and 4
  PROTOBUF_GUARD_GIVEN_TWICE = 7         // a singular message, or the same member of a oneof
} ProtobufGuardReason;

typedef struct {
  ProtobufGuardReason reason;
  uint32_t field;       // its number; 0 where none could be read
  const char *message;  // full name of the message it is in
  size_t offset;        // bytes before what was found
  size_t memory;        // bytes that unpacking takes from an arena at most; valid when FINE
} ProtobufGuardFinding;

// Walks `length` bytes as a message of the table's type. `max_depth` counts the outermost message as 1. Uses O(max_depth) of stack.
// Cost is linear in `length`.
ProtobufGuardFinding protobuf_guard_check(const ProtobufGuardMessage *table, const uint8_t *bytes, size_t length, uint32_t max_depth,
                                          size_t max_memory);

// Whether the bytes are UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is a character.
bool protobuf_guard_is_utf8(const uint8_t *bytes, size_t length);
