#include <string.h>

#include "guard.h"

bool protobuf_guard_is_utf8(const uint8_t *bytes, size_t length) {
  size_t i = 0;
  // Most text is ASCII: four words at a time.
  for (; length - i >= 32; i += 32) {
    uint64_t words[4];
    memcpy(words, bytes + i, 32);
    if (((words[0] | words[1]) | (words[2] | words[3])) & UINT64_C(0x8080808080808080)) break;
  }
  while (i < length) {
    if (length - i >= 8) {
      uint64_t word;
      memcpy(&word, bytes + i, 8);
      if ((word & UINT64_C(0x8080808080808080)) == 0) {
        i += 8;
        continue;
      }
    }
    uint8_t lead = bytes[i];
    if (lead < 0x80) {
      i += 1;
      continue;
    }
    size_t more;
    uint32_t scalar, least;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1, scalar = lead & 0x1f, least = 0x80;
    } else if ((lead & 0xf0) == 0xe0) {
      more = 2, scalar = lead & 0x0f, least = 0x800;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3, scalar = lead & 0x07, least = 0x10000;
    } else {
      return false;
    }
    if (length - i <= more) return false;
    for (size_t j = 1; j <= more; j++) {
      if ((bytes[i + j] & 0xc0) != 0x80) return false;
      scalar = scalar << 6 | (bytes[i + j] & 0x3f);
    }
    if (scalar < least || scalar > 0x10ffff || (scalar >= 0xd800 && scalar <= 0xdfff)) return false;
    i += more + 1;
  }
  return true;
}
