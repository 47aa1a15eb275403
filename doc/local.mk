# Manual pages: mdoc, checked by `./dev lint man`.
dist_man_MANS += \
	%D%/mproc-bench.1 \
	%D%/mproc.3 \
	%D%/mproc_backend.3 \
	%D%/mproc_class.3 \
	%D%/mproc_context.3 \
	%D%/mproc_error.3 \
	%D%/mproc_function.3 \
	%D%/mproc_future.3 \
	%D%/mproc_log.3 \
	%D%/mproc_message.3 \
	%D%/mproc_pool.3 \
	%D%/mproc_process.3 \
	%D%/mproc_shm.3 \
	%D%/mproc_sync.3 \
	%D%/mproc_value.3

# The other documents, installed beside the README.
dist_doc_DATA += \
	%D%/architecture.md \
	%D%/bench.md \
	%D%/bench.svg \
	%D%/coming-from.md \
	%D%/errors.md \
	%D%/performance.md \
	%D%/tutorial.md \
	%D%/wire-format.md

# man(1) finds a function by the name of its page, so each gets a page that
# points to the one that it is in.
install-data-hook:
	cd '$(DESTDIR)$(man3dir)' && for page in mproc.3 mproc_*.3; do \
		sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([A-Za-z_]*\).*/\1/p' \
		    "$$page" | while read -r name; do \
			[ -e "$$name.3" ] || \
			    printf '.so man3/%s\n' "$$page" >"$$name.3"; \
		done; \
	done
uninstall-hook:
	for page in '$(DESTDIR)$(man3dir)'/*.3; do \
		! grep -qs '^\.so man3/mproc[a-z_]*\.3$$' "$$page" || \
		    rm -f "$$page"; \
	done
