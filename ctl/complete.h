/*
 * What may come next in a line: commands, arguments, choices, and live names that the daemon is
 * asked for. Knows no readline.
 */
#pragma once

struct session;

/* Names at a time, and how long Tab may take. */
#define COMPLETE_NAMES_MAX 50
#define COMPLETE_MS 150

/* words: what stands before the word that is being typed, whose beginning is prefix. */
void complete_words(struct session *session, int count, char *const *words, const char *prefix,
	void (*offer)(const char *word, void *arg), void *arg);

/* What is still missing behind the words: "NAME [--core N]"; "" nothing. The text is static. */
const char *complete_hint(int count, char *const *words);
