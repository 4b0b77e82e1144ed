# Fits the consumption of the 32 cars that come with R.
model <- lm(mpg ~ wt + hp + factor(cyl), mtcars)
saveRDS(model, "model.rds")
