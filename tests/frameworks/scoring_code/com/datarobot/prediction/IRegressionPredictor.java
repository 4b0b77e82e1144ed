package com.datarobot.prediction;

import java.util.Map;

/** As much of the public interface of scoring code as the tests need. */
public interface IRegressionPredictor extends IPredictorInfo {
  double score(Map<String, ?> row);
}
