/* test_tcp_info.c: the layout, against the kernel header and by length. */
#include "fl_tcp_info.h"
#include "test.h"

#include <linux/tcp.h>
#include <string.h>

/* As far as the header of this machine's distribution goes (up to kernel 6.1 on
 * Debian 12); the fields after that have no name here to compare with. */
#define SAME(name)                                                             \
  _Static_assert(offsetof(struct tcp_info, tcpi_##name) ==                     \
                     OFFSET_##name, #name);
enum {
#define X(name, type, offset, since, meaning) OFFSET_##name = offset,
#include "fl_tcp_info_linux.def"
#undef X
};
SAME(state)
SAME(ca_state)
SAME(retransmits)
SAME(probes)
SAME(backoff)
SAME(options)
SAME(rto)
SAME(ato)
SAME(snd_mss)
SAME(rcv_mss)
SAME(unacked)
SAME(sacked)
SAME(lost)
SAME(retrans)
SAME(fackets)
SAME(last_data_sent)
SAME(last_ack_sent)
SAME(last_data_recv)
SAME(last_ack_recv)
SAME(pmtu)
SAME(rcv_ssthresh)
SAME(rtt)
SAME(rttvar)
SAME(snd_ssthresh)
SAME(snd_cwnd)
SAME(advmss)
SAME(reordering)
SAME(rcv_rtt)
SAME(rcv_space)
SAME(total_retrans)
SAME(pacing_rate)
SAME(max_pacing_rate)
SAME(bytes_acked)
SAME(bytes_received)
SAME(segs_out)
SAME(segs_in)
SAME(notsent_bytes)
SAME(min_rtt)
SAME(data_segs_in)
SAME(data_segs_out)
SAME(delivery_rate)
SAME(busy_time)
SAME(rwnd_limited)
SAME(sndbuf_limited)
SAME(delivered)
SAME(delivered_ce)
SAME(bytes_sent)
SAME(bytes_retrans)
SAME(dsack_dups)
SAME(reord_seen)
SAME(rcv_ooopack)
SAME(snd_wnd)

/* Every field exists from exactly the length that holds all of it. */
static void test_lengths(void) {
  enum { U8 = 1, U16 = 2, U32 = 4, U64 = 8 };
  static const struct {
    fl_tcp_info_field_t field;
    size_t end;
    const char *name;
  } fields[] = {
#define X(name, type, offset, since, meaning)                                  \
  {FL_TCP_INFO_##name, offset + type, #name},
#include "fl_tcp_info_linux.def"
#undef X
  };
  fl_tcp_info_t info;

  memset(info.raw, 0x01, sizeof info.raw);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    info.size = fields[i].end - 1;
    test_equal(fields[i].name, fl_tcp_info_get(&info, fields[i].field), -1);
    info.size = fields[i].end;
    test_equal(fields[i].name, fl_tcp_info_get(&info, fields[i].field) > 0, 1);
    test_equal("fits", fields[i].end <= FL_TCP_INFO_SIZE, 1);
  }
}

static void test_values(void) {
  fl_tcp_info_t info = {.size = FL_TCP_INFO_SIZE};
  uint32_t rto = 204000;
  uint64_t acked = UINT64_C(1) << 40;

  memset(info.raw, 0, sizeof info.raw);
  info.raw[0] = 8;
  memcpy(info.raw + 8, &rto, sizeof rto);
  memcpy(info.raw + 120, &acked, sizeof acked);
  test_equal("state", fl_tcp_info_get(&info, FL_TCP_INFO_state), 8);
  test_equal("rto", fl_tcp_info_get(&info, FL_TCP_INFO_rto), 204000);
  test_equal("bytes_acked", fl_tcp_info_get(&info, FL_TCP_INFO_bytes_acked),
             INT64_C(1) << 40);
}

int main(void) {
  test_lengths();
  test_values();
  return test_result("test_tcp_info");
}
