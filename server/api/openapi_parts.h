/* Private to openapi.c and openapi_answers.c: parts of the document, written into one. */
#pragma once

#include "api/routes.h"
#include "shared/json.h"

void openapi_text(struct json_writer *w, const char *key, const char *text);

/* "$ref": "#/components/KIND/NAME" */
void openapi_ref(struct json_writer *w, const char *kind, const char *name);

/* Opens content, its media type and the schema, which the caller fills. */
void openapi_begin_content(struct json_writer *w, const char *type);
void openapi_end_content(struct json_writer *w);

/* "responses" of an operation. */
void openapi_answers(struct json_writer *w, const struct route *route);

/* "responses" of the components: what many routes answer is written once. */
void openapi_responses(struct json_writer *w);
