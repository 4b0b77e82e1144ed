package com.datarobot.prediction;

import java.util.Map;

/** As much of the public interface of scoring code as the tests need. */
public interface IPredictorInfo {
  Map<String, Class<?>> getFeatures();
}
