// An Express application that checks authd's access tokens itself, by the public keys that authd publishes.
// Nothing is asked per request; a session that was ended is known when its token expires (15 minutes).
//   AUTHD=http://127.0.0.1:8080 PORT=9000 node public-keys.js
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";

const authd = process.env.AUTHD ?? "http://127.0.0.1:8080";
const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", authd));
// As configured under [token]; the algorithms are those that you configured too, never what a token says.
const expected = { issuer: "authd", audience: "authd", typ: "at+jwt", algorithms: ["ES256"] };

async function authenticate(request, response, next) {
	const [, token] = /^Bearer (\S+)$/i.exec(request.get("authorization") ?? "") ?? [];
	try {
		request.user = (await jwtVerify(token ?? "", keys, expected)).payload;
	} catch {
		return response.status(401).set("WWW-Authenticate", 'Bearer error="invalid_token"').json({ error: "INVALID_TOKEN" });
	}
	next();
}

const app = express();
app.get("/private", authenticate, (request, response) => response.json({ user: request.user.sub, roles: request.user.roles }));
app.listen(process.env.PORT ?? 9000, "127.0.0.1", () => console.log("listening"));
