/* Values as people read them in tables: sizes, times, shares, user names. JSON stays raw. */
#pragma once

#include <stdio.h>

#include "shared/commands.h"
#include "shared/json.h"

void human_bytes(FILE *out, double bytes);
void human_seconds(FILE *out, double seconds);
/* 18412 as 18,412. */
void human_count(FILE *out, double number);
/* What a number of that type grows by in a second: "+6,701/s", "+2.1 MiB/s", "+0.3/s". */
void human_rate(FILE *out, enum column_type type, double per_second);
/* The name of a uid, or its number when it has none. */
void human_user(FILE *out, double uid);

/* A value by the type of its column; "-" for none. Text is escaped. */
void human_value(FILE *out, enum column_type type, const struct json *value);

/* The number in a value, 0 when it is none. */
double human_number(const struct json *value);
