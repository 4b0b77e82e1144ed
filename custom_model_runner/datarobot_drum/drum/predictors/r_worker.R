# Runs the R code of a model folder for the Python program that started this script.
#
#   Rscript r_worker.R REQUESTS ANSWERS
#
# REQUESTS and ANSWERS are file descriptors. The form of a message is told in frames.py, that of a
# table in r_tables.py. Only base R is used, and Matrix where a table is sparse. Hooks live in the
# global environment and everything of this script in one of its own, so that a hook may have any name.

worker <- new.env(parent = baseenv())

local({

# ---- errors ----

# An error for the program: `kind` is the hook that raised it, or "output" or "load".
failure <- function(kind, message) {
  structure(class = c("worker_failure", "error", "condition"),
            list(message = message, call = NULL, kind = kind))
}

fail <- function(kind, ...) stop(failure(kind, paste0(...)))

# Evaluates model code; an error in it is told under `kind`, and its calls go to the log.
guarded <- function(kind, expression) {
  tryCatch(
    withCallingHandlers(expression, error = function(e) {
      if (!inherits(e, "worker_failure")) log_calls(kind, e, sys.calls())
    }),
    worker_failure = function(e) stop(e),
    error = function(e) fail(kind, conditionMessage(e)))
}

log_calls <- function(kind, error, calls) {
  lines <- vapply(calls, function(call) strtrim(paste(deparse(call, nlines = 1L), collapse = " "), 200), "")
  # from the hook on, and without the two calls of this handler: the others are of this script
  first <- max(which(startsWith(lines, "withCallingHandlers(expression")), 0L) + 1L
  shown <- utils::tail(utils::head(lines, -2L), max(length(lines) - first - 1L, 0L))
  shown <- utils::tail(shown[!startsWith(shown, "eval(as.call") & !startsWith(shown, "invoke(")], 30L)
  writeLines(c(paste0("error in ", kind, ": ", conditionMessage(error)), paste("  at", shown)), stderr())
}

# ---- JSON headers ----

TOKEN <- "\"[^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+\"|-?[0-9][-+.eE0-9]*|true|false|null|[][{},:]"

parse_json <- function(text) {
  state <- new.env()
  state$tokens <- regmatches(text, gregexpr(TOKEN, text, perl = TRUE, useBytes = TRUE))[[1L]]
  state$at <- 0L
  json_value(state)
}

next_token <- function(state) {
  state$at <- state$at + 1L
  state$tokens[[state$at]]
}

json_value <- function(state, token = next_token(state)) {
  switch(substr(token, 1L, 1L),
         "{" = json_object(state), "[" = json_array(state), "\"" = json_string(token),
         "t" = TRUE, "f" = FALSE, "n" = NULL, as.numeric(token))
}

json_object <- function(state) {
  values <- list()
  names <- character()
  while ((token <- next_token(state)) != "}") {
    if (token == ",") token <- next_token(state)
    next_token(state)
    values[length(values) + 1L] <- list(json_value(state))
    names <- c(names, json_string(token))
  }
  structure(values, names = names)
}

# A vector where all elements are of one kind, else a list.
json_array <- function(state) {
  values <- list()
  while ((token <- next_token(state)) != "]") {
    if (token == ",") token <- next_token(state)
    values[length(values) + 1L] <- list(json_value(state, token))
  }
  kinds <- unique(vapply(values, function(value) if (is.list(value)) "list" else class(value), ""))
  if (length(kinds) == 1L && !kinds %in% c("list", "NULL") && all(lengths(values) == 1L)) unlist(values) else values
}

json_string <- function(token) {
  text <- substr(token, 2L, nchar(token, "bytes") - 1L)
  if (grepl("\\", text, fixed = TRUE, useBytes = TRUE)) text <- unescape(text)
  Encoding(text) <- "UTF-8"
  text
}

ESCAPES <- c(n = "\n", t = "\t", r = "\r", b = "\b", f = "\f")

unescape <- function(text) {
  found <- gregexpr("\\\\(u[0-9a-fA-F]{4}|.)", text, perl = TRUE, useBytes = TRUE)
  codes <- substring(regmatches(text, found)[[1L]], 2L)
  plain <- vapply(codes, function(code) {
    if (nchar(code) == 5L) return(intToUtf8(strtoi(substring(code, 2L), 16L)))
    if (code %in% names(ESCAPES)) ESCAPES[[code]] else code
  }, "")
  regmatches(text, found) <- list(enc2utf8(plain))
  text
}

format_json <- function(value) {
  if (is.null(value)) return("null")
  if (is.list(value) && !is.null(names(value))) {
    fields <- paste0(vapply(names(value), quote_json, ""), ":", vapply(value, format_json, ""))
    return(paste0("{", paste(fields, collapse = ","), "}"))
  }
  if (is.list(value)) return(paste0("[", paste(vapply(value, format_json, ""), collapse = ","), "]"))
  if (is.logical(value)) return(if (value) "true" else "false")
  if (is.numeric(value)) return(format(value, scientific = FALSE, digits = 15L))
  quote_json(value)
}

quote_json <- function(text) {
  text <- as_utf8(text)
  text <- gsub("([\"\\\\])", "\\\\\\1", text, perl = TRUE)
  for (name in names(ESCAPES)) text <- gsub(ESCAPES[[name]], paste0("\\", name), text, fixed = TRUE)
  paste0("\"", gsub("[\001-\037\177]", "?", text, perl = TRUE), "\"")
}

# UTF-8 whatever the encoding; a byte that is none is shown as <xx>.
as_utf8 <- function(text) {
  text <- enc2utf8(as.character(text))
  wrong <- !validUTF8(text) & !is.na(text)
  text[wrong] <- iconv(text[wrong], "UTF-8", "UTF-8", sub = "byte")
  text
}

# ---- frames ----

MAGIC <- charToRaw("DRM1")

read_exactly <- function(connection, size) {
  data <- readBin(connection, "raw", size)
  # the program has ended, or closed the pipe to tell this process to end
  if (length(data) < size) quit("no", 0L, FALSE)
  data
}

read_frame <- function(connection) {
  prefix <- read_exactly(connection, 8L)
  if (!identical(prefix[1:4], MAGIC)) stop("a request does not start as a frame does")
  size <- readBin(prefix[5:8], "integer", 1L, endian = "big")
  header <- parse_json(rawToChar(read_exactly(connection, size)))
  list(header = header, parts = lapply(header$parts, function(size) read_exactly(connection, size)))
}

# A longer header is taken for garbage.
MAX_HEADER <- 2L^24L

write_frame <- function(connection, header, parts = list()) {
  header$parts <- lapply(parts, length)
  text <- charToRaw(enc2utf8(format_json(header)))
  if (length(text) > MAX_HEADER)
    return(write_frame(connection, list(status = "error", kind = "output",
                                        message = "the column names or the error of the model are too long; shorten them")))
  writeBin(MAGIC, connection)
  writeBin(length(text), connection, endian = "big")
  writeBin(text, connection)
  for (part in parts) writeBin(part, connection)
  flush(connection)
}

# ---- tables ----

# `table` is what a header says of a table whose bytes are the parts from `first` on.
decode_table <- function(table, parts) {
  if (table$form == "csv") return(decode_csv(parts[[1L]], table$blank_lines))
  if (table$form == "sparse") return(decode_sparse(table, parts))
  columns <- list()
  at <- 1L
  for (type in table$types) {
    columns[[length(columns) + 1L]] <- decode_column(type, parts, at, table$rows)
    at <- at + if (type == "text") 2L else 1L
  }
  structure(columns, names = as.character(table$names), class = "data.frame",
            row.names = .set_row_names(table$rows))
}

decode_column <- function(type, parts, at, rows) {
  if (type == "double") return(readBin(parts[[at]], "double", rows, endian = "little"))
  if (type != "text") {
    values <- readBin(parts[[at]], "integer", rows, endian = "little")
    return(if (type == "logical") as.logical(values) else values)
  }
  sizes <- readBin(parts[[at]], "integer", rows, endian = "little")
  text <- readChar(parts[[at + 1L]], pmax(sizes, 0L), useBytes = TRUE)
  if (length(text) < rows) text <- c(text, character(rows - length(text)))
  Encoding(text) <- "UTF-8"
  text[sizes < 0L] <- NA_character_
  text
}

decode_csv <- function(data, blank_lines) {
  # from a file: a text connection would hold each line as an R string first
  path <- tempfile(fileext = ".csv")
  on.exit(unlink(path))
  writeBin(data, path)
  utils::read.csv(path, check.names = FALSE, encoding = "UTF-8", blank.lines.skip = !blank_lines)
}

decode_sparse <- function(table, parts) {
  need_matrix()
  integers <- lapply(parts[1:2], readBin, "integer", max(lengths(parts[1:2])) / 4, endian = "little")
  values <- readBin(parts[[3L]], "double", length(parts[[3L]]) / 8, endian = "little")
  names <- if (is.null(table$names)) NULL else list(NULL, as.character(table$names))
  Matrix::sparseMatrix(i = integers[[2L]], p = integers[[1L]], x = values, index1 = FALSE,
                       dims = c(table$rows, table$columns), dimnames = names)
}

need_matrix <- function() {
  if (!requireNamespace("Matrix", quietly = TRUE))
    fail("load", "sparse data need the R package Matrix; install r-cran-matrix or run install.packages('Matrix')")
}

# The fields and the parts that tell a data frame or a sparse matrix.
encode_table <- function(data) {
  if (inherits(data, "sparseMatrix")) return(encode_sparse(data))
  columns <- lapply(seq_along(data), function(at) encode_column(data[[at]], names(data)[[at]]))
  list(fields = list(form = "columns", rows = nrow(data), names = as.list(names(data)),
                     types = lapply(columns, `[[`, "type")),
       parts = unlist(lapply(columns, `[[`, "parts"), recursive = FALSE))
}

encode_column <- function(values, name) {
  if (is.matrix(values) && ncol(values) == 1L) values <- values[, 1L]
  if (!is.null(dim(values)) || is.list(values) && !inherits(values, "POSIXlt"))
    fail("output", "column '", name, "' holds a ", class(values)[[1L]], "; return numbers or texts")
  if (is.object(values) || is.complex(values)) values <- as.character(values)
  if (is.logical(values) || is.integer(values))
    return(list(type = typeof(values), parts = list(writeBin(as.integer(values), raw(), endian = "little"))))
  if (is.numeric(values))
    return(list(type = "double", parts = list(writeBin(as.double(values), raw(), endian = "little"))))
  text <- as_utf8(values)
  sizes <- ifelse(is.na(text), -1L, nchar(text, "bytes"))
  bytes <- charToRaw(paste(text[!is.na(text)], collapse = ""))
  list(type = "text", parts = list(writeBin(as.integer(sizes), raw(), endian = "little"), bytes))
}

encode_sparse <- function(data) {
  data <- methods::as(methods::as(data, "CsparseMatrix"), "generalMatrix")
  values <- if (methods::.hasSlot(data, "x")) as.double(data@x) else rep(1, length(data@i))
  list(fields = list(form = "sparse", rows = nrow(data), columns = ncol(data),
                     names = if (is.null(colnames(data))) NULL else as.list(colnames(data))),
       parts = list(writeBin(data@p, raw(), endian = "little"), writeBin(data@i, raw(), endian = "little"),
                    writeBin(values, raw(), endian = "little")))
}

table_answer <- function(data, ...) {
  table <- encode_table(data)
  list(header = list(status = "ok", table = table$fields, ...), parts = table$parts)
}

# ---- hooks ----

HOOKS <- c("init", "read_input_data", "load_model", "transform", "score", "post_process",
           "score_unstructured", "fit")

hook <- function(name) get0(name, envir = globalenv(), mode = "function", inherits = FALSE)

# Calls a hook with as many of the arguments as it takes.
call_hook <- function(name, arguments) {
  wanted <- names(formals(hook(name)))
  if (!"..." %in% wanted) arguments <- utils::head(arguments, length(wanted))
  guarded(name, invoke(name, arguments))
}

# Calls a hook with those of the named arguments that it takes.
call_named <- function(name, named, positional = list()) {
  wanted <- names(formals(hook(name)))
  if (!"..." %in% wanted) named <- named[names(named) %in% wanted]
  guarded(name, invoke(name, c(positional, named)))
}

# The call holds the names of the arguments and not their values, which warnings would print.
invoke <- function(name, arguments) {
  own <- if (length(arguments)) paste0("argument", seq_along(arguments))
  scope <- list2env(structure(arguments, names = own), parent = globalenv())
  symbols <- lapply(own, as.symbol)
  names(symbols) <- names(arguments)
  eval(as.call(c(list(as.symbol(name)), symbols)), scope)
}

a_frame <- function(data, hook_name) {
  if (is.data.frame(data)) return(data)
  fail("output", hook_name, " must return a dataframe, but received ", class(data)[[1L]])
}

# ---- operations ----

model <- NULL
setup <- list()

load_source <- function(header, parts) {
  setup <<- header
  if (!is.null(header$custom)) guarded("source", source(header$custom, local = globalenv(), keep.source = TRUE))
  list(header = list(status = "ok", hooks = as.list(HOOKS[!vapply(HOOKS, function(name) is.null(hook(name)), NA)])))
}

load_folder <- function(header, parts) {
  answer <- load_source(header, parts)
  if (!is.null(hook("init"))) call_named("init", list(code_dir = header$code_dir))
  if (header$target == "unstructured") {
    for (name in c("load_model", "score_unstructured")) if (is.null(hook(name)))
      fail("load", "In 'unstructured' mode hook '", name, "' must be provided.")
  }
  model <<- load_object(header)
  if (header$target == "transform" && is.null(hook("transform")))
    fail("load", "A transform task requires a user-defined transform hook")
  attach_package(model)
  answer
}

load_object <- function(header) {
  if (!is.null(hook("load_model"))) {
    loaded <- call_hook("load_model", list(header$code_dir))
    if (!is.null(loaded)) return(loaded)
  }
  found <- list.files(header$code_dir, "[.]rds$", ignore.case = TRUE, full.names = TRUE)
  if (length(found) == 1L) return(guarded("readRDS", readRDS(found)))
  if (header$target == "transform") return(NULL)
  if (length(found) == 0L)
    fail("load", "Could not find model artifact file in: ", header$code_dir, " with the extension .rds. ",
         "If your artifact is of another kind, implement the load_model hook.")
  fail("load", "Multiple serialized model files found. Remove extra artifacts or overwrite load_model()\n",
       "List of retrieved files are: ", paste(found, collapse = " | "))
}

# The package whose `predict` understands the model, where that is known.
PACKAGES <- c(train = "caret", lda = "MASS", qda = "MASS", polr = "MASS", multinom = "nnet", gam = "mgcv",
              xgb.Booster = "xgboost", lgb.Booster = "lightgbm", workflow = "workflows", model_fit = "parsnip",
              cv.glmnet = "glmnet", svm = "e1071", naiveBayes = "e1071", gbm = "gbm", C5.0 = "C50")

attach_package <- function(model) {
  own <- attr(class(model), "package")
  for (name in c(own, unname(PACKAGES[class(model)]), class(model))) {
    if (is.na(name) || name %in% c("data.frame", "list", "function", "lm", "glm")) next
    suppressWarnings(suppressMessages(requireNamespace(name, quietly = TRUE)))
  }
}

read_input <- function(header, parts) {
  if (!header$raw) return(decode_table(header$table, parts))
  call_hook("read_input_data", parts[1L])
}

row_count <- function(data) if (is.null(dim(data))) NULL else nrow(data)

predict_table <- function(header, parts) {
  data <- read_input(header, parts)
  rows <- row_count(data)
  if (!is.null(hook("transform"))) data <- a_frame(call_hook("transform", list(data, model, NULL)), "transform")
  labelled <- TRUE
  if (is.null(hook("score"))) {
    result <- guarded("predict", default_predictions(data))
    labelled <- !is.null(names(result))
    if (!labelled) names(result) <- paste0("V", seq_along(result))
  } else {
    result <- a_frame(call_hook("score", list(data, model, score_arguments())), "score")
  }
  if (labelled) names(result) <- match_names(names(result), setup$labels)
  table_answer(result, labelled = labelled, rows = rows, scored_rows = row_count(data))
}

score_arguments <- function() {
  binary <- setup$target == "binary"
  arguments <- list(positive_class_label = if (binary) setup$labels[[1L]],
                    negative_class_label = if (binary) setup$labels[[2L]],
                    class_labels = if (setup$target == "multiclass") setup$labels)
  arguments[!vapply(arguments, is.null, NA)]
}

# Predictions of the model itself: a frame; without names where the model does not name its classes.
default_predictions <- function(data) {
  if (length(setup$labels) == 0L) return(data.frame(Predictions = as.vector(stats::predict(model, data))))
  if (inherits(model, "glm")) return(glm_probabilities(stats::predict(model, data, type = "response")))
  if (inherits(model, c("lda", "qda"))) return(as_frame(stats::predict(model, data)$posterior))
  type <- if (inherits(model, c("multinom", "polr"))) "probs" else if (inherits(model, "nnet")) "raw" else "prob"
  result <- stats::predict(model, data, type = type)
  if (is.list(result) && !is.data.frame(result)) result <- do.call(rbind, result)
  # one row of several classes comes as a vector from some
  if (is.null(dim(result)) && nrow(data) == 1L && length(result) > 1L) result <- t(result)
  if (is.null(dim(result)) && length(model$lev) == 2L) return(pair(result, model$lev))
  as_frame(result)
}

as_frame <- function(result) {
  if (is.data.frame(result)) return(result)
  result <- as.matrix(result)
  frame <- as.data.frame(result)
  names(frame) <- colnames(result)
  frame
}

# A glm tells the probability of its second class: which one that is, its response knows.
glm_probabilities <- function(probability) {
  response <- if (is.null(model$model)) NULL else stats::model.response(model$model)
  classes <- if (is.factor(response)) levels(response)
             else if (is.logical(response)) c("FALSE", "TRUE")
             else if (all(suppressWarnings(as.numeric(setup$labels)) %in% 0:1)) c("0", "1")
  pair(as.vector(probability), classes)
}

pair <- function(probability, classes) {
  frame <- data.frame(1 - probability, probability)
  names(frame) <- if (length(classes) == 2L) classes
  frame
}

# Undoes what data.frame() does to names that are no R names: `yes/no` -> `yes.no`, `1` -> `X1`.
match_names <- function(names, labels) {
  if (length(labels) == 0L) return(names)
  made <- make.names(labels)
  for (at in which(!names %in% labels)) {
    label <- labels[made == names[[at]]]
    if (length(label) == 1L) names[[at]] <- label
    else if (grepl("^X-?[0-9.]+$", names[[at]])) names[[at]] <- substring(names[[at]], 2L)
  }
  names
}

post_process <- function(header, parts) {
  predictions <- decode_table(header$table, parts)
  result <- call_hook("post_process", list(predictions, model))
  if (!is.data.frame(result))
    fail("output", "Output of post_process hook must be a dataframe, not a ", class(result)[[1L]])
  names(result) <- match_names(names(result), setup$labels)
  table_answer(result)
}

transform_table <- function(header, parts) {
  own <- seq_len(header$part_count)
  data <- read_input(header, parts[own])
  y <- if (is.null(header$y)) NULL else decode_table(header$y, parts[-own])
  result <- call_hook("transform", list(data, model, y))
  if (!inherits(result, "sparseMatrix")) result <- a_frame(result, "transform")
  table_answer(result, rows = row_count(data))
}

score_unstructured <- function(header, parts) {
  data <- parts[[1L]]
  if (header$text) {
    data <- rawToChar(data)
    Encoding(data) <- "UTF-8"
  }
  result <- call_named("score_unstructured", header$arguments, list(model, data))
  options <- NULL
  if (is.list(result)) {
    if (length(result) != 2L)
      fail("output", "In unstructured mode a returned list must have length = 2, but received length = ", length(result))
    options <- as.list(result[[2L]])
    result <- result[[1L]]
  }
  body_answer(result, options)
}

body_answer <- function(body, options) {
  kind <- if (is.null(body)) "none" else if (is.raw(body)) "bytes"
          else if (is.character(body) && length(body) == 1L) "text"
          else fail("output", "In unstructured mode return value can be of type character (one text) or raw, ",
                    "but received ", class(body)[[1L]], " of length ", length(body))
  bytes <- if (kind == "none") raw() else if (kind == "bytes") body else charToRaw(as_utf8(body))
  list(header = list(status = "ok", kind = kind, mimetype = options$mimetype, charset = options$charset),
       parts = list(bytes))
}

fit_model <- function(header, parts) {
  if (is.null(hook("fit"))) fail("load", "fit() method must be implemented in a file named 'custom.R'")
  tables <- list()
  for (name in names(header$tables)) {
    own <- seq_len(header$tables[[name]]$part_count)
    tables[[name]] <- decode_table(header$tables[[name]], parts[own])
    parts <- parts[-own]
  }
  set.seed(1)
  if (header$transforms && !is.null(hook("transform")))
    tables$X <- a_frame(call_hook("transform", list(tables$X, NULL, NULL)), "transform")
  first <- function(table) if (is.null(table)) NULL else if (ncol(table) == 1L) table[[1L]] else table
  call_named("fit", list(X = tables$X, y = first(tables$y), output_dir = header$output_dir,
                         row_weights = first(tables$row_weights), class_order = header$class_order,
                         parameters = header$parameters))
  list(header = list(status = "ok"))
}

OPERATIONS <- list(load = load_folder, source = load_source, predict = predict_table, post_process = post_process,
                   transform = transform_table, unstructured = score_unstructured, fit = fit_model)

answer_to <- function(request) {
  tryCatch(
    OPERATIONS[[request$header$op]](request$header, request$parts),
    worker_failure = function(e) list(header = list(status = "error", kind = e$kind, message = e$message)),
    error = function(e) list(header = list(status = "error", kind = "worker", message = conditionMessage(e))))
}

main <- function(descriptors) {
  options(warn = 1L)
  paths <- paste0("/dev/fd/", descriptors)
  requests <- file(paths[[1L]], "rb", raw = TRUE)
  answers <- file(paths[[2L]], "wb", raw = TRUE)
  repeat {
    answer <- answer_to(read_frame(requests))
    # what hooks have printed belongs in front of the answer
    flush(stdout())
    write_frame(answers, answer$header, as.list(answer$parts))
  }
}

}, envir = worker)

worker$main(utils::tail(commandArgs(), 2L))
