/* Email addresses and their keys: see emails.h. */
#include "auth/emails.h"

#include <errno.h>

#include <idn2.h>

#include "shared/err.h"
#include "shared/macros.h"

/* RFC 5322 section 3.2.3 atext, and RFC 6531's UTF-8 beside it. Quoted local parts are refused:
 * nobody has one, and they are a source of confusion between programs. */
static bool is_local_char(char c)
{
	if ((unsigned char)c >= 0x80)
		return true;
	if ((c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-/=?^_`{|}~.", c);
}

static bool local_is_valid(struct str local)
{
	if (!local.len || local.len > EMAIL_LOCAL_BYTES_MAX)
		return false;
	if (local.data[0] == '.' || local.data[local.len - 1] == '.')
		return false;
	for (size_t i = 0; i < local.len; i++) {
		if (!is_local_char(local.data[i]))
			return false;
		if (local.data[i] == '.' && local.data[i - 1] == '.')
			return false;
	}
	return true;
}

/* Letters, digits and hyphens in labels of 1..63; at least two labels (RFC 1123 section 2.1). */
static bool domain_is_valid(struct str domain)
{
	struct str label;
	unsigned labels = 0;

	for (; str_split(&domain, '.', &label); labels++) {
		if (!label.len || label.len > 63)
			return false;
		if (label.data[0] == '-' || label.data[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++) {
			char c = label.data[i];

			if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
				return false;
		}
	}
	return labels >= 2;
}

int email_fold(struct str text, char key[static EMAIL_BYTES_MAX + 1], struct str *ret_email)
{
	struct str email = str_trim(text), local, ascii;
	char domain[EMAIL_BYTES_MAX + 1];
	char *looked_up = NULL;
	ptrdiff_t at;
	int r;

	if (email.len > EMAIL_BYTES_MAX || !str_is_utf8(email))
		return -ERR_MALFORMED;
	at = str_index(email, '@');
	if (at < 0)
		return -ERR_MALFORMED;
	local = str_of(email.data, (size_t)at);
	if (!local_is_valid(local))
		return -ERR_MALFORMED;
	memcpy(domain, email.data + at + 1, email.len - (size_t)at - 1);
	domain[email.len - (size_t)at - 1] = '\0';
	if (strlen(domain) != email.len - (size_t)at - 1)
		return -ERR_MALFORMED;
	r = idn2_lookup_u8((const uint8_t *)domain, (uint8_t **)&looked_up,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (r != IDN2_OK)
		return r == IDN2_MALLOC ? -ENOMEM : -ERR_MALFORMED;
	ascii = str_cstr(looked_up);
	r = -ERR_MALFORMED;
	if (domain_is_valid(ascii) && local.len + 1 + ascii.len <= EMAIL_BYTES_MAX) {
		for (size_t i = 0; i < local.len; i++)
			key[i] = ascii_lower(local.data[i]);
		key[local.len] = '@';
		memcpy(key + local.len + 1, ascii.data, ascii.len + 1);
		*ret_email = email;
		r = 0;
	}
	idn2_free(looked_up);
	return r;
}
