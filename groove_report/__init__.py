"""The application: a log in, a groove report out. `python -m groove_report well.dlis --output report`.

`command` is the whole way: `logs` reads DLIS, `grooves` lists what a network found, `page` writes the report
to sign, `viewer` one to scroll in, `tally` lists joints by their least wall, `pod` says how deep a groove
must be to be found, `plots` draws. It imports from `helpers`, never the other way round. Notebook 08.
"""
