/* The header field traceparent of W3C Trace Context: who asks, in their own trace. */
#pragma once

#include "core/span.h"

/*
 * "00-<32 hex>-<16 hex>-<2 hex>": 0, or -EINVAL. Strict: lower case, no id of zeroes, nothing
 * behind version 00; a higher version may have more behind another "-", ff is none.
 */
int traceparent_parse(struct str text, struct span_ids *ret_ids);
