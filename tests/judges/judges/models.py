"""The models of fhir.resources (PyPI), which follow R5."""

import json
import sys

from fhir.resources import get_fhir_model_class
from pydantic import ValidationError


def problems_of(text):
    try:
        kind = json.loads(text).get("resourceType")
        get_fhir_model_class(kind).model_validate_json(text)
    except ValidationError as error:
        return [
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        ]
    except (ValueError, KeyError, LookupError) as error:
        return [f"{type(error).__name__}: {error}"]
    return []


def main():
    judged = 0
    with open(sys.argv[1], encoding="utf-8") as lines:
        for judged, text in enumerate(lines, start=1):
            for problem in problems_of(text):
                print(json.dumps({"line": judged, "problem": problem}))
    print(json.dumps({"judged": judged}))


if __name__ == "__main__":
    main()
