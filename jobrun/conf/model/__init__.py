"""The model of the job file: the one source of validation, of the JSON schema and of the option reference.

Only this folder knows pydantic. Every value type brings its own check with its
own sentence (`values`), every key its description, example and unit (`options`,
`tables`); `faults` turns what pydantic reports into problems with places.
"""
