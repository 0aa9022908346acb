#include "guard.h"

#include <string.h>

// How protobuf_c_message_unpack() 1.4 spends memory; tests hold these against the library:
// a scanned member is noted in 32 bytes; the first 16 members of a message are noted on the stack, then in slabs of 32, 64 … members.
#define SCANNED_MEMBER_SIZE 32
#define FIRST_SLAB_MEMBERS 16

typedef struct {
  const uint8_t *start;
  size_t left;  // of the memory budget
  ProtobufGuardFinding *finding;
} Walk;

static bool found(Walk *walk, ProtobufGuardReason reason, const ProtobufGuardMessage *table, uint32_t field, const uint8_t *at) {
  walk->finding->reason = reason;
  walk->finding->field = field;
  walk->finding->message = table->descriptor->name;
  walk->finding->offset = (size_t)(at - walk->start);
  return false;
}

// As the arena hands it out: in multiples of 16.
static size_t round_up(size_t size) { return (size + 15) & ~(size_t)15; }

static bool spend(Walk *walk, size_t size) {
  size_t rounded = round_up(size);
  if (rounded < size || walk->left < rounded) return false;
  walk->left -= rounded;
  return true;
}

// Exact, where many small shares make up one piece that the caller has rounded up already.
static bool spend_share(Walk *walk, size_t size) {
  if (walk->left < size) return false;
  walk->left -= size;
  return true;
}

// At most `longest` bytes (10 hold any value; 5 are what protobuf-c reads of a tag or a length).
static bool read_varint(const uint8_t **at, const uint8_t *end, int longest, uint64_t *value) {
  uint64_t result = 0;
  for (int i = 0; i < longest && *at < end; i++) {
    uint8_t byte = *(*at)++;
    result |= (uint64_t)(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return false;
}

static size_t element_size(ProtobufCType type) {
  switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
      return 4;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
      return sizeof(ProtobufCBinaryData);
    default:
      return 8;
  }
}

static unsigned wire_type_of(ProtobufCType type) {
  switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
      return 5;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      return 1;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
      return 2;
    default:
      return 0;
  }
}

// Counts the elements of a packed field; false where they do not fill it exactly.
static bool count_packed(unsigned wire_type, const uint8_t *at, const uint8_t *end, size_t *count) {
  size_t length = (size_t)(end - at);
  if (wire_type == 5 || wire_type == 1) {
    size_t size = wire_type == 5 ? 4 : 8;
    *count = length / size;
    return length % size == 0;
  }
  size_t elements = 0;
  while (at < end) {
    uint64_t ignored;
    if (!read_varint(&at, end, 10, &ignored)) return false;
    elements++;
  }
  *count = elements;
  return true;
}

static bool walk_message(Walk *walk, const ProtobufGuardMessage *table, const uint8_t *at, const uint8_t *end, uint32_t depth) {
  const ProtobufCMessageDescriptor *descriptor = table->descriptor;
  if (depth == 0) return found(walk, PROTOBUF_GUARD_TOO_DEEP, table, 0, at);
  // The message, what its arrays lose to rounding, and the list of unknown fields.
  if (!spend(walk, descriptor->sizeof_message) || !spend_share(walk, 16 * ((size_t)table->repeated_fields + 1)))
    return found(walk, PROTOBUF_GUARD_OVER_BUDGET, table, 0, at);

  uint64_t once[PROTOBUF_GUARD_ONCE_MAX / 64] = {0};
  size_t members = 0, noted = FIRST_SLAB_MEMBERS;
  const ProtobufCFieldDescriptor *field = NULL;
  while (at < end) {
    const uint8_t *member = at;
    uint64_t key, ignored, size;
    if (!read_varint(&at, end, 5, &key) || key > UINT32_MAX || key >> 3 == 0)
      return found(walk, PROTOBUF_GUARD_MALFORMED, table, 0, member);
    uint32_t number = (uint32_t)(key >> 3);
    unsigned wire_type = (unsigned)(key & 7);
    const uint8_t *value = at;
    switch (wire_type) {
      case 0:
        if (!read_varint(&at, end, 10, &ignored)) return found(walk, PROTOBUF_GUARD_MALFORMED, table, number, member);
        break;
      case 1:
      case 5: {
        ptrdiff_t width = wire_type == 1 ? 8 : 4;
        if (end - at < width) return found(walk, PROTOBUF_GUARD_MALFORMED, table, number, member);
        at += width;
        break;
      }
      case 2:
        if (!read_varint(&at, end, 5, &size) || size > (uint64_t)(end - at) || size > INT32_MAX)
          return found(walk, PROTOBUF_GUARD_MALFORMED, table, number, member);
        value = at;
        at += size;
        break;
      case 3:
      case 4:
        return found(walk, PROTOBUF_GUARD_GROUP, table, number, member);
      default:
        return found(walk, PROTOBUF_GUARD_MALFORMED, table, number, member);
    }
    size_t length = (size_t)(at - value);

    members++;
    if (members > noted) {
      size_t slab = noted + FIRST_SLAB_MEMBERS;
      noted += slab;
      if (!spend(walk, slab * SCANNED_MEMBER_SIZE)) return found(walk, PROTOBUF_GUARD_OVER_BUDGET, table, number, member);
    }

    if (field == NULL || field->id != number) field = protobuf_c_message_descriptor_get_field(descriptor, number);
    if (field == NULL) {
      // Kept as raw bytes, the length included.
      if (!spend_share(walk, sizeof(ProtobufCMessageUnknownField)) || !spend(walk, (size_t)(at - member)))
        return found(walk, PROTOBUF_GUARD_OVER_BUDGET, table, number, member);
      continue;
    }
    const ProtobufGuardField *extra = &table->fields[field - descriptor->fields];
    if (extra->once != 0) {
      uint64_t *word = &once[(extra->once - 1) / 64], bit = UINT64_C(1) << ((extra->once - 1) % 64);
      if (*word & bit) return found(walk, PROTOBUF_GUARD_GIVEN_TWICE, table, number, member);
      *word |= bit;
    }

    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    unsigned expected = wire_type_of(field->type);
    size_t elements = 1;
    if (wire_type != expected) {
      if (!repeated || wire_type != 2) return found(walk, PROTOBUF_GUARD_FOREIGN_WIRE_TYPE, table, number, member);
      if (!count_packed(expected, value, at, &elements)) return found(walk, PROTOBUF_GUARD_MALFORMED, table, number, member);
    }
    if (repeated && !spend_share(walk, elements * element_size(field->type)))
      return found(walk, PROTOBUF_GUARD_OVER_BUDGET, table, number, member);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
      if (!walk_message(walk, extra->message, value, at, depth - 1)) return false;
    } else if (expected == 2) {
      if (extra->text && !protobuf_guard_is_utf8(value, length)) return found(walk, PROTOBUF_GUARD_INVALID_UTF8, table, number, member);
      if (!spend(walk, length)) return found(walk, PROTOBUF_GUARD_OVER_BUDGET, table, number, member);
    }
  }
  return true;
}

ProtobufGuardFinding protobuf_guard_check(const ProtobufGuardMessage *table, const uint8_t *bytes, size_t length, uint32_t max_depth,
                                          size_t max_memory) {
  static const uint8_t nothing[1] = {0};
  ProtobufGuardFinding finding = {PROTOBUF_GUARD_FINE, 0, table->descriptor->name, 0, 0};
  if (bytes == NULL) {
    bytes = nothing;
    length = 0;
  }
  Walk walk = {bytes, max_memory, &finding};
  if (walk_message(&walk, table, bytes, bytes + length, max_depth)) finding.memory = round_up(max_memory - walk.left);
  return finding;
}
