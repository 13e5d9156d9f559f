"""What agents can do: the operation types that they report, and those that they were registered with."""

REPORTED = """
    CASE WHEN jsonb_typeof(agents.resources -> 'operation_types_available') = 'array'
        THEN ARRAY(
            SELECT word FROM jsonb_array_elements_text(agents.resources -> 'operation_types_available') AS word
            WHERE word IS NOT NULL
        )
        ELSE CAST('{}' AS text[]) END
"""
"""SQL: what an agent said last."""

# The SDK sends an empty list when nobody set one, so it says nothing.
ABLE_TO = f"coalesce(nullif({REPORTED}, '{{}}'), agents.operation_types)"
"""SQL: what an agent can do now. Empty: not known."""
