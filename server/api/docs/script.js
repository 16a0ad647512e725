// The page of the interface: reads /openapi.json, shows its operations and tries them. Text from the document or
// from an answer becomes text nodes only; the access token stays in this page's memory.
"use strict";

const byId = (id) => document.getElementById(id);

// An element with properties, and children that are nodes or texts.
function make(name, properties, ...children) {
	const element = document.createElement(name);
	for (const [key, value] of Object.entries(properties || {})) {
		if (key in element) element[key] = value;
		else element.setAttribute(key, value);
	}
	element.append(...children.filter((child) => child !== null && child !== undefined));
	return element;
}

// --- reading the document ---

let api;

function resolve(node) {
	let seen = 0;
	while (node && node.$ref && seen++ < 16)
		node = node.$ref.slice(2).split("/").reduce((at, part) => at && at[part], api);
	return node || {};
}

function operations() {
	const found = [];
	for (const [path, methods] of Object.entries(api.paths))
		for (const [method, operation] of Object.entries(methods))
			found.push({ path, method: method.toUpperCase(), ...operation });
	return found;
}

function bodySchema(operation) {
	const content = operation.requestBody && operation.requestBody.content;
	const type = content && Object.keys(content)[0];
	return type ? { type, schema: resolve(content[type].schema), required: operation.requestBody.required } : null;
}

function typeText(schema) {
	const type = [].concat(schema.type || "any").join(" or ");
	const limits = [];
	if (schema.minLength) limits.push(`at least ${schema.minLength} characters`);
	if (schema.maxLength) limits.push(`at most ${schema.maxLength}`);
	if (schema.format) limits.push(schema.format);
	return [type, ...limits].join(", ");
}

// --- showing an operation ---

function fieldRows(operation) {
	const rows = (operation.parameters || []).map(resolve).map((parameter) =>
		[parameter.name, parameter.required, `in the ${parameter.in}; ${typeText(parameter.schema || {})}`, parameter.description]);
	const body = bodySchema(operation);
	for (const [name, schema] of Object.entries((body && body.schema.properties) || {}))
		rows.push([name, (body.schema.required || []).includes(name), typeText(schema), schema.description]);
	return rows;
}

function fieldsTable(rows) {
	return make("table", {}, ...rows.map(([name, required, type, what]) => make("tr", {},
		make("th", { scope: "row" }, make("code", {}, name)),
		make("td", { className: "need" }, required ? "required" : "optional"),
		make("td", {}, what || "", make("div", { className: "quiet" }, type)))));
}

function answersTable(operation) {
	return make("table", {}, ...Object.entries(operation.responses).map(([status, reference]) => {
		const lines = resolve(reference).description.split("\n").map((line) => {
			const code = /^([A-Z_]{4,}): (.*)$/.exec(line);
			return code ? make("li", {}, make("code", {}, code[1]), " ", code[2]) : make("li", {}, line);
		});
		return make("tr", {}, make("th", { scope: "row", className: "status " + (status < 400 ? "good" : "bad") }, status),
			make("td", {}, make("ul", {}, ...lines)));
	}));
}

// --- trying it ---

function tokenUse(data) {
	const token = data && data.data && data.data.access_token;
	if (!token) return null;
	return make("button", { type: "button", onclick: (event) => {
		byId("token").value = token;
		event.target.textContent = "In use";
	} }, "Use this access token");
}

function pretty(text, type) {
	if (!text) return "(no body)";
	if (!(type || "").includes("json")) return text;
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

async function send(operation, inputs) {
	const body = bodySchema(operation);
	const headers = {}, values = {}, query = new URLSearchParams();
	let path = operation.path;
	for (const { name, where, schema, element } of inputs) {
		const text = element.value;
		if (where === "path") path = path.replace(`{${name}}`, encodeURIComponent(text));
		else if (where === "query" && text !== "") query.set(name, text);
		else if (where === "body" && (text !== "" || (body.schema.required || []).includes(name))) {
			const types = [].concat(schema.type);
			if (types.includes("array")) values[name] = text.split(",").map((part) => part.trim()).filter(Boolean);
			else if (types.includes("boolean")) values[name] = text === "true";
			else if (types.includes("integer")) values[name] = Number(text);
			else values[name] = text;
		}
	}
	if ((operation.security || []).some((scheme) => "bearer" in scheme) && byId("token").value)
		headers.Authorization = "Bearer " + byId("token").value.trim();
	const request = { method: operation.method, headers, cache: "no-store", credentials: "same-origin" };
	if (body && (body.required || Object.keys(values).length)) {
		headers["Content-Type"] = body.type;
		request.body = body.type === "application/json" ? JSON.stringify(values) : new URLSearchParams(values).toString();
	}
	const started = performance.now();
	const response = await fetch(path + (query.size ? "?" + query : ""), request);
	const text = await response.text();
	return { response, text, ms: Math.round(performance.now() - started) };
}

function showAnswer(place, { response, text, ms }) {
	let data = null;
	try {
		data = JSON.parse(text);
	} catch { /* it is shown as it is */ }
	const fields = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
	place.replaceChildren(make("div", { className: "answer" },
		make("p", {}, make("span", { className: "status " + (response.ok ? "good" : "bad") }, String(response.status)),
			` ${response.statusText}, ${ms} ms `, tokenUse(data)),
		make("pre", { tabIndex: 0 }, pretty(text, response.headers.get("content-type"))),
		make("details", {}, make("summary", {}, "Header fields"), make("pre", { tabIndex: 0 }, fields))));
}

function inputFor(name, where, schema, required) {
	const isSecret = /password|token|secret/.test(name) || schema.format === "password";
	const element = make("input", { name, required, type: schema.format === "email" ? "email" : isSecret ? "password" : "text",
		autocomplete: "off", spellcheck: false, placeholder: where === "body" ? "" : where });
	return { name, where, schema, element };
}

function tryForm(operation) {
	const body = bodySchema(operation);
	const inputs = (operation.parameters || []).map(resolve)
		.filter((parameter) => parameter.in === "path" || parameter.in === "query")
		.map((parameter) => inputFor(parameter.name, parameter.in, parameter.schema || {}, parameter.required));
	for (const [name, schema] of Object.entries((body && body.schema.properties) || {}))
		inputs.push(inputFor(name, "body", schema, (body.schema.required || []).includes(name) && schema.type === "string"));
	const place = make("div", { "aria-live": "polite" });
	const button = make("button", { className: "main" }, "Send");
	const form = make("form", { className: "try" },
		...inputs.map(({ name, element }) => make("label", {}, name, element)),
		make("div", { className: "row" }, button));
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		button.disabled = true;
		try {
			showAnswer(place, await send(operation, inputs));
		} catch (error) {
			place.replaceChildren(make("p", { className: "status bad" }, `No answer: ${error.message}`));
		}
		button.disabled = false;
	});
	return make("div", {}, form, place);
}

function show(operation) {
	const rows = fieldRows(operation);
	const needs = (operation.security || []).map((scheme) => Object.keys(scheme)[0]).filter(Boolean);
	const inside = make("div", { className: "inside" });
	const element = make("details", { className: "operation", id: operation.operationId },
		make("summary", {}, make("span", { className: "method " + operation.method }, operation.method),
			make("span", { className: "path" }, operation.path), make("span", { className: "what" }, operation.summary),
			needs.length ? make("span", { className: "lock" }, needs.join(" or ")) : null),
		inside);
	element.addEventListener("toggle", () => { // most are never opened
		if (!element.open || inside.childElementCount) return;
		if (rows.length) inside.append(make("h3", {}, "Fields"), fieldsTable(rows));
		inside.append(make("h3", {}, "Try it"), tryForm(operation), make("h3", {}, "Answers"), answersTable(operation));
	});
	return element;
}

// --- the page ---

function link(operation) {
	return make("li", {}, make("a", { href: "#" + operation.operationId },
		make("span", { className: "method " + operation.method }, operation.method),
		make("span", { className: "path" }, operation.path)));
}

function openLinked() {
	const element = location.hash.length > 1 ? byId(location.hash.slice(1)) : null;
	if (!element || !element.matches("details")) return;
	element.open = true;
	element.querySelector("summary").focus();
	element.scrollIntoView();
}

function filterBy(shown, words) {
	for (const { text, elements } of shown) {
		const isHidden = !words.every((word) => text.includes(word));
		for (const element of elements) element.hidden = isHidden;
	}
	for (const section of document.querySelectorAll("section"))
		section.hidden = !section.querySelector("details.operation:not([hidden])");
}

function build() {
	const shown = [], all = operations();
	byId("version").textContent = api.info.version;
	byId("about").textContent = api.info.description;
	for (const tag of api.tags) {
		const mine = all.filter((operation) => operation.tags.includes(tag.name));
		if (!mine.length) continue;
		const list = make("ul"), section = make("section", {}, make("h2", {}, tag.name), make("p", { className: "quiet" }, tag.description));
		for (const operation of mine) {
			const card = show(operation), entry = link(operation);
			section.append(card);
			list.append(entry);
			const answers = Object.entries(operation.responses).map(([status, answer]) => status + resolve(answer).description);
			shown.push({ elements: [card, entry],
				text: [operation.method, operation.path, operation.summary, ...answers].join(" ").toLowerCase() });
		}
		byId("operations").append(section);
		byId("index").append(make("h3", {}, tag.name), list);
	}
	byId("state").remove();
	byId("filter").addEventListener("input", (event) =>
		filterBy(shown, event.target.value.toLowerCase().split(/\s+/).filter(Boolean)));
	openLinked();
}

async function start() {
	try {
		const response = await fetch("/openapi.json");
		if (!response.ok) throw new Error(`/openapi.json answered ${response.status}`);
		api = await response.json();
		build();
	} catch (error) {
		byId("state").textContent = `The interface could not be loaded: ${error.message}`;
	}
}

byId("access").addEventListener("submit", (event) => event.preventDefault());
byId("forget").addEventListener("click", () => { byId("token").value = ""; });
addEventListener("hashchange", openLinked);
addEventListener("keydown", (event) => {
	if (event.key !== "/" || /^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
	event.preventDefault();
	byId("filter").focus();
});
start();
