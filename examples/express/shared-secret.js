// The same with [token] algorithm = HS256 and a secret that the application shares with authd: for one that checked
// such tokens before. Whoever knows the secret can make tokens, so prefer public-keys.js.
//   SECRET_FILE=/etc/authd/token-secret PORT=9000 node shared-secret.js
import { readFileSync } from "node:fs";
import express from "express";
import { jwtVerify } from "jose";

const secret = new TextEncoder().encode(readFileSync(process.env.SECRET_FILE, "utf8").trimEnd());
const expected = { issuer: "authd", audience: "authd", typ: "at+jwt", algorithms: ["HS256"] };

async function authenticate(request, response, next) {
	const [, token] = /^Bearer (\S+)$/i.exec(request.get("authorization") ?? "") ?? [];
	try {
		request.user = (await jwtVerify(token ?? "", secret, expected)).payload;
	} catch {
		return response.status(401).set("WWW-Authenticate", 'Bearer error="invalid_token"').json({ error: "INVALID_TOKEN" });
	}
	next();
}

const app = express();
app.get("/private", authenticate, (request, response) => response.json({ user: request.user.sub, roles: request.user.roles }));
app.listen(process.env.PORT ?? 9000, "127.0.0.1", () => console.log("listening"));
