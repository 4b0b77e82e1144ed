import java.nio.charset.StandardCharsets;
import java.util.Map;

/** A predictor of one's own: what `configure` and `predict` look like, and what is optional. */
public class OwnPredictor {
  private Map<String, Object> params;

  public void configure(Map<String, Object> params) {
    this.params = params;
  }

  public String predict(byte[] csv) {
    String[] lines = new String(csv, StandardCharsets.UTF_8).trim().split("\r?\n");
    StringBuilder answer = new StringBuilder("Predictions\n");
    for (int at = 1; at < lines.length; at++) {
      String[] cells = lines[at].split(",");
      if (cells[0].equals("666")) {
        System.exit(6);
      }
      if (cells[0].equals("hang")) {
        while (true) {
          Thread.onSpinWait();
        }
      }
      answer.append(Double.parseDouble(cells[0]) * 3 + 0.1).append('\n');
    }
    System.out.println("scored " + (lines.length - 1) + " rows");
    return answer.toString();
  }

  public Object predictUnstructured(byte[] data, String mimetype, String charset, Map<String, String> query) {
    String text = new String(data, StandardCharsets.UTF_8);
    switch (text) {
      case "null":
        return null;
      case "bytes":
        return new byte[] {1, 2, (byte) 255};
      case "fail":
        throw new IllegalArgumentException("no \"such\" thing: ☃");
      default:
        return text.toUpperCase() + " " + mimetype + " " + charset + " " + query + " " + params.get("target_type");
    }
  }
}
