package model;

import com.datarobot.prediction.IClassificationPredictor;
import java.util.LinkedHashMap;
import java.util.Map;

/** A model as scoring code: a logistic regression on two columns. */
public class Code implements IClassificationPredictor {
  @Override
  public Map<String, Class<?>> getFeatures() {
    Map<String, Class<?>> features = new LinkedHashMap<>();
    features.put("height", Double.class);
    features.put("width", Double.class);
    return features;
  }

  @Override
  public String[] getClassLabels() {
    return new String[] {"yes", "no"};
  }

  @Override
  public Map<String, Double> score(Map<String, ?> row) {
    double width = row.get("width") == null ? 0 : (Double) row.get("width");
    double yes = 1 / (1 + Math.exp(-(Double) row.get("height") + width));
    return Map.of("yes", yes, "no", 1 - yes);
  }
}
