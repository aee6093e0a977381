"""The application: a log in, a groove report out. `python -m helpers.report well.dlis --output report`.

`command` is the whole way: `logs` reads DLIS, `grooves` lists what a network found, `page` writes the report
to sign, `pod` says how deep a groove must be to be found, `plots` draws. Notebook 08.
"""
