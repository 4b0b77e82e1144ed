package ai.h2o.mojos.runtime;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** As much of the public interface of Driverless AI's runtime as the tests need. */
public class MojoPipeline {
  public static MojoPipeline loadFrom(String path) {
    if (System.getProperty("ai.h2o.mojos.runtime.license.file") == null) {
      throw new IllegalStateException("No valid license found");
    }
    return new MojoPipeline();
  }

  public Meta getInputMeta() {
    return new Meta();
  }

  public Builder getInputFrameBuilder() {
    return new Builder();
  }

  public Frame transform(Frame input) {
    return input;
  }

  /** Names and kinds of columns. */
  public static class Meta {
    public String[] getColumnNames() {
      return new String[] {"height", "name"};
    }
  }

  /** One row. */
  public static class Row {
    final Map<String, String> values = new HashMap<>();

    public void setValue(String name, String value) {
      values.put(name, value);
    }
  }

  /** Collects rows. */
  public static class Builder {
    private final List<Row> rows = new ArrayList<>();

    public Row getMojoRowBuilder() {
      return new Row();
    }

    public void addRow(Row row) {
      rows.add(row);
    }

    public Frame toMojoFrame() {
      return new Frame(rows);
    }
  }

  /** A quarter for each value that a row has. */
  public static class Frame {
    private final List<Row> rows;

    Frame(List<Row> rows) {
      this.rows = rows;
    }

    public String[] getColumnNames() {
      return new String[] {"target.no", "target.yes"};
    }

    public Object getColumnData(int column) {
      return rows.stream().mapToDouble(row -> Math.abs(column - 1 + row.values.size() / 4.0)).toArray();
    }
  }
}
