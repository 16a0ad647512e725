"""The ways in which documents are looked for: collection, fields of the filter and of the order, as commands have them."""


def _is_operator(value):
    return isinstance(value, dict) and next(iter(value), "").startswith("$")


def _fields(filter):
    """What of a filter finds documents; what only refines is left out."""
    if "_id" in filter and not _is_operator(filter["_id"]):
        return {"_id"}
    found = set()
    for key, value in filter.items():
        if key == "$or":
            for either in value:
                found |= _fields(either)
        elif not _is_operator(value) or not {"$ne", "$not", "$exists"} & set(value):
            found.add(key)
    # A list of a status goes on behind an id as it began.
    return found - {"_id"} if len(found) > 1 else found


def _shape(collection, filter, sort):
    return collection, tuple(sorted(_fields(filter))), tuple(sort)


def shapes_of(name, command):
    """Those of a command: none when it looks for nothing, or is no business of ours."""
    if name == "find":
        return [_shape(command["find"], command.get("filter", {}), command.get("sort", {}))]
    if name in ("update", "delete"):
        return [_shape(command[name], change["q"], {}) for change in command[name + "s"]]
    return []


class Shapes:
    """replicas.hook = Shapes(): what has been asked, and what has been explained."""

    def __init__(self):
        self.asked, self.explained = set(), set()

    def __call__(self, member, message):
        if message.name == "explain":
            self.explained.update(shapes_of("find", message.command["explain"]))
        else:
            self.asked.update(shapes_of(message.name, message.command))
