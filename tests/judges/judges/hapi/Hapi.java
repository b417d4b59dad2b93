import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.parser.IParser;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.BufferedReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ConcurrentModificationException;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;

/**
 * The validator of HAPI FHIR over one NDJSON file: `Hapi DEFINITIONS FILE`.
 *
 * <p>DEFINITIONS is NDJSON too: of the packages that HAPI ships, what our resources can touch. Reading all of
 * them takes more than a minute and a gigabyte.
 */
public final class Hapi {
  public static void main(String[] args) throws Exception {
    FhirContext context = FhirContext.forR5();
    FhirValidator validator = validator(context, definitions(context, Path.of(args[0])));
    List<String> lines = Files.readAllLines(Path.of(args[1]));
    List<String> findings =
        IntStream.range(0, lines.size())
            .parallel()
            .mapToObj(at -> judge(validator, at + 1, lines.get(at)))
            .collect(Collectors.toList());
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    findings.forEach(out::print);
    out.println("{\"judged\":" + lines.size() + "}");
    out.flush();
  }

  /** The findings on one resource, a line each. */
  private static String judge(FhirValidator validator, int line, String text) {
    StringBuilder findings = new StringBuilder();
    try {
      for (SingleValidationMessage found : messages(validator, text)) {
        if (found.getSeverity().compareTo(ResultSeverityEnum.ERROR) >= 0) {
          report(findings, line, "problem", found.getLocationString() + ": " + found.getMessage());
        }
      }
    } catch (RuntimeException | StackOverflowError failure) {
      report(findings, line, "stumbled", failure.toString());
    }
    return findings.toString();
  }

  /** Threads can meet in a list inside HAPI, once in some thousand faulty resources: that is no verdict. */
  private static List<SingleValidationMessage> messages(FhirValidator validator, String text) {
    for (int tries = 1; ; tries++) {
      try {
        return validator.validateWithResult(text).getMessages();
      } catch (ConcurrentModificationException met) {
        if (tries == 5) throw met;
      }
    }
  }

  private static IValidationSupport definitions(FhirContext context, Path path) throws Exception {
    PrePopulatedValidationSupport known = new PrePopulatedValidationSupport(context);
    IParser parser = context.newJsonParser();
    try (BufferedReader lines = Files.newBufferedReader(path)) {
      for (String text = lines.readLine(); text != null; text = lines.readLine()) {
        IBaseResource resource = parser.parseResource(text);
        known.addResource(resource);
      }
    }
    return known;
  }

  private static FhirValidator validator(FhirContext context, IValidationSupport known) {
    ValidationSupportChain chain =
        new ValidationSupportChain(
            known,
            new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context));
    // Else two codings in one concept warn wrongly where one of them is outside a value set.
    chain.setCodeableConceptValidationSuccessfulIfNotAllCodingsAreValid(true);
    context.setValidationSupport(chain);
    FhirInstanceValidator instances = new FhirInstanceValidator(chain);
    instances.setAnyExtensionsAllowed(true);
    instances.setErrorForUnknownProfiles(true);
    instances.setNoTerminologyChecks(false);
    return context.newValidator().registerValidatorModule(instances);
  }

  private static void report(StringBuilder out, int line, String kind, String text) {
    StringBuilder json = new StringBuilder();
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        json.append('\\').append(c);
      } else if (c < 0x20) {
        json.append(String.format("\\u%04x", (int) c));
      } else {
        json.append(c);
      }
    }
    out.append("{\"line\":").append(line).append(",\"").append(kind).append("\":\"").append(json).append("\"}\n");
  }

  private Hapi() {}
}
