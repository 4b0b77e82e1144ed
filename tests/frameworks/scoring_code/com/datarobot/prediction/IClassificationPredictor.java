package com.datarobot.prediction;

import java.util.Map;

/** As much of the public interface of scoring code as the tests need. */
public interface IClassificationPredictor extends IPredictorInfo {
  Map<String, Double> score(Map<String, ?> row);

  String[] getClassLabels();
}
