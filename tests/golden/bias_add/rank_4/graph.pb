
:
xPlaceholder*
dtype0*
shape:
G
y/biasConst*
dtype0*)
value B"rŠ@P@*â¿¦Ý2@lÙ/À
7
yBiasAddxy/bias*
T0*
data_formatNHWC"ª