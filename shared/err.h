/*
 * authd's own error codes, beside errno's: functions return 0 or a positive value on success and a
 * negative errno or one of these on failure. They mean failures; an answer such as "no such
 * account" or "wrong password" is a result of the call that gives it.
 */
#pragma once

enum {
	ERR_BASE = 5000,       /* above every errno of Linux (4095 is the kernel's own limit) */
	ERR_OVERLOADED = 5001, /* a bounded queue or pool is full: try again later */
	ERR_STORE_DOWN = 5002, /* the store cannot be reached or refuses to work */
	ERR_CANCELED = 5003,   /* nobody waits for the result any more */
	ERR_MALFORMED = 5004,  /* input that does not follow its grammar */
	ERR_DRAINING = 5005,   /* this process is shutting down */
};

/* "ERR_OVERLOADED" or errno's name ("ENOMEM") for a negative code; "E?" for one unknown. */
const char *err_name(int code);

/* One sentence for people; errno's text where the code is errno's. */
const char *err_text(int code);
