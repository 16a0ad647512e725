/*
 * The rules of `doctor`: each looks at the daemon's numbers and says whether they are well, what
 * was seen, what it means and what to run next. `status` shows what they complain about.
 */
#pragma once

#include "control/request.h"

enum verdict { VERDICT_OK, VERDICT_INFO, VERDICT_WARN, VERDICT_BAD };

struct finding {
	enum verdict verdict;
	char evidence[256];
	const char *meaning, *next; /* static text */
};

/* The request's gather says which cores answered. Visits every rule. */
void findings_each(const struct control_request *request,
	void (*visit)(const char *rule, const struct finding *finding, void *arg), void *arg);

struct rule {
	const char *name;
	void (*look)(const struct control_request *request, struct finding *finding);
	const char *meaning, *next;
};

/* Answers a command that has the columns of doctor: a row for each rule. */
void findings_answer(struct control_request *request, const struct rule *of, size_t count);

/* For rules. */
void finding_say(struct finding *finding, enum verdict verdict, const char *format, ...)
	_printf_(3, 4);
/* certificates.c */
void look_certificates(const struct control_request *request, struct finding *finding);

const char *verdict_name(enum verdict verdict);
