/* fl_tcp_info.c: one table, one lookup. */
#include "fl_tcp_info.h"

#include <string.h>

typedef struct {
  uint16_t offset;
  uint16_t size;
} fl_tcp_info__place_t;

enum { U8 = 1, U16 = 2, U32 = 4, U64 = 8 };

static const fl_tcp_info__place_t fl_tcp_info__places[FL_TCP_INFO_FIELDS] = {
#define X(name, type, offset, since, meaning) {offset, type},
#include "fl_tcp_info_linux.def"
#undef X
};

int64_t fl_tcp_info_get(const fl_tcp_info_t *info, fl_tcp_info_field_t field) {
  fl_tcp_info__place_t place = fl_tcp_info__places[field];
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;

  if ((size_t)place.offset + place.size > info->size)
    return -1;
  switch (place.size) {
  case U8:
    return info->raw[place.offset];
  case U16:
    memcpy(&u16, info->raw + place.offset, sizeof u16);
    return u16;
  case U32:
    memcpy(&u32, info->raw + place.offset, sizeof u32);
    return u32;
  default:
    memcpy(&u64, info->raw + place.offset, sizeof u64);
    return (int64_t)u64;
  }
}
