/*
 * fl_tcp_info.h: reading fields out of the bytes that TCP_INFO returned.
 *
 * The layout is our own (fl_tcp_info_linux.def), because the headers of libc
 * and of the distribution are years behind the kernel.  A field exists exactly
 * if it lies within the length that the kernel returned; asking for the
 * kernel's version would be wrong, fields are backported.
 */
#ifndef FL_TCP_INFO_H
#define FL_TCP_INFO_H

#include <stddef.h>
#include <stdint.h>

/* Bytes to ask for: as many as kernel 6.18 has.  Newer ones cut to fit. */
enum { FL_TCP_INFO_SIZE = 280 };

typedef enum {
#define X(name, type, offset, since, meaning) FL_TCP_INFO_##name,
#include "fl_tcp_info_linux.def"
#undef X
  FL_TCP_INFO_FIELDS
} fl_tcp_info_field_t;

/* One answer of TCP_INFO. */
typedef struct {
  size_t size; /* as the kernel returned it */
  uint8_t raw[FL_TCP_INFO_SIZE];
} fl_tcp_info_t;

/* The field's value, or -1 if it lies beyond `info->size`.  (A u64 of all ones,
 * the kernel's "unlimited", also reads as -1.) */
int64_t fl_tcp_info_get(const fl_tcp_info_t *info, fl_tcp_info_field_t field);

#endif
