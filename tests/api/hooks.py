"""What schemathesis cannot guess: ids of people and rooms that are there. One body in two gets them, the others stay as they
were made up, since what is not there must be refused well too."""

from typing import Any

import schemathesis

turns = iter(range(10**9))


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Writes known people into bodies that name people."""
    if not isinstance(body, dict) or next(turns) % 2:
        return body
    if "from" in body:
        body["from"] = "ann"
    if isinstance(body.get("members"), list):
        body["members"] = ["ann", "bob"][: len(body["members"])]
    return body


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Writes a known room or person into paths."""
    if not isinstance(path_parameters, dict) or next(turns) % 2:
        return path_parameters
    path = context.operation.path
    known = {"id": "ops" if path.startswith("/api/v1/rooms") else "ann", "user": "bob"}
    # The erasing of a known person would leave the others nobody to ask for.
    if context.operation.method == "delete" and path == "/api/v1/users/{id}":
        return path_parameters
    return {name: known.get(name, value) for name, value in path_parameters.items()}
