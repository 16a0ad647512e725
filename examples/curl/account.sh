#!/usr/bin/env bash
# The whole life of an account, with curl alone: AUTHD=http://127.0.0.1:8080 ./account.sh
set -euo pipefail
authd=${AUTHD:-http://127.0.0.1:8080}
email=${EMAIL:-you-$RANDOM$RANDOM@example.org}
password='correct horse battery'

# call METHOD PATH STATUS [JSON]: the body of the answer, which must have that status.
call() {
	local body status
	body=$(curl -sS -X "$1" "$authd$2" -w '\n%{http_code}' -H "Authorization: Bearer ${access:-none}" \
		${4:+-H 'Content-Type: application/json' -d "$4"})
	status=${body##*$'\n'}
	[ "$status" = "$3" ] || { echo "$1 $2: $status instead of $3: $body" >&2; exit 1; }
	printf '%s' "${body%$'\n'*}"
}

# member NAME: a text of the JSON on standard input. (A program would use jq.)
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

say() { echo "== $*"; }

say "register $email"
grant=$(call POST /v1/auth/register 201 "{\"email\":\"$email\",\"password\":\"$password\"}")
access=$(member access_token <<<"$grant")
call POST /v1/auth/register 409 "{\"email\":\"$email\",\"password\":\"$password\"}" | member message

say "who am I?"
call GET /v1/auth/me 200 | member id
call PATCH /v1/auth/me 200 '{"name":"Ada"}' | member name

say "is the token good?"
call GET /v1/auth/verify 204

say "log in again, with a wrong password and with the right one"
call POST /v1/auth/login 401 "{\"email\":\"$email\",\"password\":\"something else\"}" | member message
grant=$(call POST /v1/auth/login 200 "{\"email\":\"$email\",\"password\":\"$password\"}")
access=$(member access_token <<<"$grant") refresh=$(member refresh_token <<<"$grant")

say "a fresh pair of tokens"
grant=$(call POST /v1/auth/refresh 200 "{\"refresh_token\":\"$refresh\"}")
access=$(member access_token <<<"$grant") refresh=$(member refresh_token <<<"$grant")

say "my sessions"
call GET /v1/auth/sessions 200 | grep -o '"id":' | wc -l

say "log out, here and everywhere"
call POST /v1/auth/logout 204 "{\"refresh_token\":\"$refresh\"}"
call GET /v1/auth/verify 401 | member message
grant=$(call POST /v1/auth/login 200 "{\"email\":\"$email\",\"password\":\"$password\"}")
access=$(member access_token <<<"$grant")
call POST /v1/auth/logout-all 204
call GET /v1/auth/me 401 | member message
say "done"
