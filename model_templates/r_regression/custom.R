# Hooks of R have the names and arguments of those of Python; `kwargs` is one list.

score <- function(data, model, kwargs) {
  interval <- as.data.frame(predict(model, data, interval = "prediction", level = 0.9))
  # the column `Predictions` is the answer, all others are told besides
  data.frame(Predictions = interval$fit, low = interval$lwr, high = interval$upr)
}
