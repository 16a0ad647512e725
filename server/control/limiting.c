/* limit ...: what the rate limits allow, whom they refuse most, and forgiving somebody. */
#include <inttypes.h>
#include <stdio.h>

#include "auth/emails.h"
#include "control/handlers.h"
#include "control/people.h"
#include "guard/limits.h"
#include "shared/clock.h"
#include "shared/macros.h"

#define OFFENDERS_DEFAULT 20
#define OFFENDERS_MAX 200

void handle_limit_list(struct control_request *request)
{
	for (enum limit limit = LIMIT_NONE + 1; limit < LIMITS; limit++) {
		struct limit_info info;
		struct json_writer *w = request_row_begin(request);

		limit_info(limit, &info);
		json_put_str(w, "limit", str_cstr(info.name));
		json_put_bool(w, "on", info.is_on);
		if (info.is_on) {
			json_put_u64(w, "count", info.rate.count);
			json_put_double(w, "window", (double)info.rate.window_ns / NS_PER_S);
		} else {
			json_put_null(w, "count");
			json_put_null(w, "window");
		}
		json_put_u64(w, "allowed", info.counts.allowed);
		json_put_u64(w, "refused", info.counts.refused);
		json_put_u64(w, "evicted", info.counts.evicted);
		json_put_u64(w, "bytes", info.bytes);
		json_put_str(w, "help", str_cstr(info.help));
		request_row_end(request);
	}
}

void handle_limit_top(struct control_request *request)
{
	struct limit_offender offenders[OFFENDERS_MAX];
	unsigned max =
		(unsigned)MIN(request_number(request, "limit", OFFENDERS_DEFAULT), OFFENDERS_MAX);
	unsigned count = limits_top(offenders, max, clock_now_ns());

	for (unsigned i = 0; i < count; i++) {
		const struct limiter_entry *entry = &offenders[i].entry;
		struct json_writer *w = request_row_begin(request);
		char text[SUBJECT_TEXT_BYTES];

		person_put_address(
			w, "subject", subject_text(&entry->subject, text), request->peer);
		json_put_str(w, "limit", str_cstr(limit_name(offenders[i].limit)));
		json_put_u64(w, "used", entry->used);
		json_put_u64(w, "count", offenders[i].count);
		json_put_u64(w, "refused", entry->refused);
		json_put_double(w, "whole_in", (double)entry->wait_ns / NS_PER_S);
		request_row_end(request);
	}
}

/* An email address is counted in its folded form; everything else as it is written. */
static struct str subject_folded(struct str text, char key[static EMAIL_BYTES_MAX + 1])
{
	struct str trimmed;

	if (str_index(text, '@') < 0 || email_fold(text, key, &trimmed) < 0)
		return text;
	return str_cstr(key);
}

void handle_limit_clear(struct control_request *request)
{
	struct str text = request_text(request, "subject");
	struct subject subjects[SUBJECT_MEANINGS_MAX];
	char key[EMAIL_BYTES_MAX + 1];
	struct json_writer *w;
	int r;

	text = subject_folded(text, key);
	r = request->is_dry_run ? MIN(subject_parse(text, subjects), 0)
				: limits_clear(text, clock_now_ns());
	if (r < 0) {
		request_fail_argument(request, "subject",
			"who? an address, a network as limit top shows it, account:..., or an "
			"email address");
		return;
	}
	w = request_row_begin(request);
	json_put_str(w, "subject", request_text(request, "subject"));
	json_put_i64(w, "limits", r);
	json_put_bool(w, "done", !request->is_dry_run);
	request_row_end(request);
}
