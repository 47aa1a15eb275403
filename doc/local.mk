# Manual pages: mdoc, checked by `./dev lint man`.
dist_man_MANS += \
	%D%/mproc_context.3 \
	%D%/mproc_log.3

# The other documents, installed beside the README.
dist_doc_DATA += \
	%D%/architecture.md \
	%D%/errors.md \
	%D%/tutorial.md \
	%D%/wire-format.md
