# Manual pages: mdoc, checked by mandoc -Tlint (tests/checks/man.sh).
man_pages =

dist_man_MANS += $(man_pages)
