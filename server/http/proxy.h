/*
 * The PROXY protocol, versions 1 and 2 ("The PROXY protocol", W. Tarreau, 2020/03/05): what a load
 * balancer says about its client before the client's first byte. Who may say it is conn.c's
 * business.
 */
#pragma once

#include "core/listener.h"

/*
 * The longest header. Version 1 has at most 107 bytes; version 2 could have 64 KiB of extensions
 * (TLVs), of which the largest in use, a client certificate's name, are a few hundred bytes.
 */
#define PROXY_BYTES_MAX 4096

/*
 * Looks at all bytes that have come so far. 1: the header is complete, *ret_used bytes long, and
 * *ret_source is the client: no address (bytes 0) when the balancer does not say whose the bytes
 * are that follow (UNKNOWN, UNSPEC, Unix sockets, datagrams), and left alone when it speaks for
 * itself (LOCAL). 0: more bytes are needed. -ERR_MALFORMED: at the first byte that cannot belong to
 * a header of at most PROXY_BYTES_MAX.
 */
int proxy_parse(struct str bytes, size_t *ret_used, struct address *ret_source);
