/*
 * Moving accounts, sessions and signing keys from one store to another: `authd --export FILE` and
 * `authd --import FILE`. The file has a JSON object on each line; its last line has the counts and
 * a digest of all before it. Equal stores make equal files, whatever their backend, so that a move
 * is verified by exporting the target and comparing. It holds hashes and keys: only its owner may
 * read it.
 *
 * Both may be interrupted and called again: an export goes on behind the last whole line, an import
 * leaves alone what is there. What changes in the meantime is not seen: stop the daemons first, or
 * export again afterwards. Failures of addresses that nobody owns are not moved.
 */
#pragma once

/* 0, or an error after a sentence on standard error. The store is open. */
int transfer_export(const char *path);
int transfer_import(const char *path);
