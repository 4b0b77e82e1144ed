# Trains the R cases: Rscript train.R CASE MODEL_FOLDER TRAINING_CSV EXPECTED_CSV
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[[2]]
data <- read.csv(arguments[[3]])
rows <- data[c("height", "width", "depth")]

keep <- function(model) saveRDS(model, file.path(folder, "model.rds"))
hooks <- function(...) writeLines(c(...), file.path(folder, "custom.R"))

cases <- list(
  lm_regression = function() {
    model <- lm(number ~ height + width + depth, data)
    keep(model)
    data.frame(Predictions = predict(model, rows))
  },

  # what a glm tells is the probability of its second level, here of `yes`
  glm_binary = function() {
    model <- suppressWarnings(glm(factor(flag) ~ height + width, binomial, data))
    keep(model)
    probability <- predict(model, rows, type = "response")
    data.frame(no = 1 - probability, yes = probability)
  },

  rpart_multiclass = function() {
    model <- rpart::rpart(factor(class) ~ height + width + depth, data, method = "class")
    keep(model)
    as.data.frame(predict(model, rows, type = "prob"))
  },

  # labels that are no names of R: 1, b/c, `d e`
  odd_labels_multiclass = function() {
    labels <- c(a = "1", b = "b/c", c = "d e")[data$class]
    model <- nnet::multinom(factor(labels) ~ height + width, data, trace = FALSE)
    keep(model)
    hooks("score <- function(data, model, kwargs) {",
          "  stopifnot(identical(kwargs$class_labels, c('1', 'b/c', 'd e')))",
          "  data.frame(predict(model, data, type = 'probs'))",
          "}")
    as.data.frame(predict(model, rows, type = "probs"))
  },

  lda_multiclass = function() {
    model <- MASS::lda(class ~ height + width + depth, data)
    keep(model)
    as.data.frame(predict(model, rows)$posterior)
  },

  anomaly = function() {
    model <- list(center = colMeans(rows), cov = cov(rows))
    keep(model)
    hooks("score <- function(data, model) data.frame(distance = mahalanobis(data, model$center, model$cov))")
    data.frame(Predictions = mahalanobis(rows, model$center, model$cov))
  },

  hooks_regression = function() {
    model <- lm(number ~ size, data.frame(number = data$number, size = data$height + data$width))
    saveRDS(model, file.path(folder, "elsewhere.bin"))
    hooks("init <- function(code_dir) { times <<- 2; print('started') }",
          "read_input_data <- function(raw) read.csv(text = rawToChar(raw))",
          "load_model <- function(code_dir) readRDS(file.path(code_dir, 'elsewhere.bin'))",
          "transform <- function(data, model) data.frame(size = data$height + data$width)",
          "score <- function(data, model, ...) data.frame(Predictions = predict(model, data))",
          "post_process <- function(predictions, model) predictions * times")
    data.frame(Predictions = 2 * predict(model, data.frame(size = rows$height + rows$width)))
  }
)

expected <- cases[[arguments[[1]]]]()
expected[] <- lapply(expected, format, digits = 17, trim = TRUE)
write.csv(expected, arguments[[4]], row.names = FALSE, quote = FALSE)
