"""How deep JSON may be nested: far below where encoders, databases and readers of the API give up."""

MAX_DEPTH = 200


def too_deep(value: object) -> bool:
    """Whether lists and objects go deeper than `MAX_DEPTH` levels."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
